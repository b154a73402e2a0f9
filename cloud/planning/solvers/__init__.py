"""Solvers behind one port: each turns a problem and a matrix into the order of visits."""
