"""Setting up a u-blox receiver. Only ``configure-receiver`` loads this, and pyubx2 with it."""
