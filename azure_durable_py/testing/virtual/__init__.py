"""A task hub in memory at virtual time, and what runs on it."""
