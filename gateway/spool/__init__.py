"""Keeps every fix and event until the cloud has committed it: crash-safe, bounded, repairable."""
