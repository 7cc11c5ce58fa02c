"""Recorded histories, run through today's code and compared with what they recorded."""
