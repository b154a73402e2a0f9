"""Speeds learned from what the fleet drove: a process that computes, and web that keeps."""
