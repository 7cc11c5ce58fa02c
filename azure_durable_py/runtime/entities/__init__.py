"""Entities: the live one, what user code sees of it, classes as entities."""
