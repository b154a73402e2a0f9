"""Streets: the imported city, the road engine, travel times and paths between places."""
