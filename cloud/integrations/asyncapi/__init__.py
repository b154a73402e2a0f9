"""The AsyncAPI document of the public feed, made from the types of its messages."""
