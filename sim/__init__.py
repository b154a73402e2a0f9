"""The simulated city: streets, vans, receivers, drivers. Touches the product as the world does."""
