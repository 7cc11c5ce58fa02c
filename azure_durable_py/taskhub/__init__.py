"""The task hub: what is stored, how it is encoded, and the stores that keep it."""
