"""Depots, vehicles, their gateways, drivers and shifts."""
