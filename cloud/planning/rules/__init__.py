"""What people lay down for a day: pins, bans, locked routes and sequences."""
