"""Activities: the slots that run them, and the running of one."""
