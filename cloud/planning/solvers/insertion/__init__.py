"""Cheapest feasible insertion: one more order into standing routes, in microseconds."""
