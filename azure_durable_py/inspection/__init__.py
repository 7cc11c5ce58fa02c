"""What people want to see of a task hub: one instance, its timeline and its family, the hub as a whole."""
