"""What happened to an instance: the events, and their encoding."""
