"""How messages come in: by our own pumps, or by the invocations of a Functions host."""
