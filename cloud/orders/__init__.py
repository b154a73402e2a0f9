"""Orders, their parcels and where these are, promises, the state table, attempts."""
