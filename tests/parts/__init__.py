"""Real parts that tests of any feature start."""
