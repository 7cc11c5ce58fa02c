"""Schedules: orchestrations that are started again and again, by an entity and orchestrators of the engine's own."""
