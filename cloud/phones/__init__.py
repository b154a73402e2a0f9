"""Phones as position sources: any van can be tracked by an app its driver has already."""
