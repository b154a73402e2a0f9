"""Plans: the problem of a day, solvers, the independent check, revisions."""
