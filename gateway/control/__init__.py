"""What the cloud asks of the van: settings, commands, the route."""
