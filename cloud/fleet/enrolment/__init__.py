"""How a gateway is let in: claim tokens, certificates, their renewal and their end."""
