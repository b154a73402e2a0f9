"""Keeps a running gateway in order, and shows whoever looks how it does."""
