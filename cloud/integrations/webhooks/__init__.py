"""Webhooks: business events posted to a tenant's own addresses, signed, at least once."""
