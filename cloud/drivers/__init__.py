"""The driver's side: the route to drive, loading, arrivals and outcomes."""
