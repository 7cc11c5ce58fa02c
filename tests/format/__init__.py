"""The bytes that are stored, written down once: what is in a hub today must be read by every version to come."""
