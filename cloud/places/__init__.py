"""Where things are delivered."""
