"""Orchestrators and entities alone, step by step, without an engine."""
