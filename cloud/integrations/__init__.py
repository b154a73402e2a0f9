"""What leaves for vans and third parties over MQTT."""
