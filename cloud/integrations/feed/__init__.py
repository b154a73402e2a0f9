"""The public MQTT feed: what stands on it, who may read it, what is retained there."""
