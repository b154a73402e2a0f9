"""What van, cloud and third parties say to each other: topics, messages, codec. Pure."""

__version__ = "0.1.0"
"""The release, of both sides; the wire's own version stands in its topics and messages."""
