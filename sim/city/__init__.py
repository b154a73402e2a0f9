"""The demo city's extract, and the recipe that made it."""
