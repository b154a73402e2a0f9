"""Pure: bytes of a receiver to sentences, to readings, to epochs, to the wire's fixes."""
