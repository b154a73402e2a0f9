"""What every feature stands on: data folder, database, clock, identity, outbox, HTTP, broker."""
