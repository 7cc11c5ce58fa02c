"""What people are told: which lines the log has, how they look, and how many of them there are."""
