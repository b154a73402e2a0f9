"""Benchmarks: each figure beside the figure asked for and the peer's, measured in the same run."""
