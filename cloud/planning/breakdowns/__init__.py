"""Vans that cannot drive on: their parcels are fetched where they stand."""
