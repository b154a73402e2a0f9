"""Tests of what is known of places."""
