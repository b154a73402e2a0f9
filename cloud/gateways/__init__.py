"""The boxes in the vans from afar: which settings they should take, and what they should do."""
