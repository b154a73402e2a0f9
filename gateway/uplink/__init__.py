"""Brings fixes and events to the cloud: one connection, two lanes, paced by receipts."""
