"""Whose van this box is: keys and certificates, and what it hands in for the van before."""
