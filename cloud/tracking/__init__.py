"""Where the vans are and were: ingest, live state, tracks."""
