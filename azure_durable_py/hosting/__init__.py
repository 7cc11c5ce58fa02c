"""The hosts that run a function app, and what they share."""
