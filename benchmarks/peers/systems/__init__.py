"""What each system does in the scenarios; each module runs as a process in the environment of its system."""
