"""Third parties that read the public MQTT feed: let in, listed, shut out."""
