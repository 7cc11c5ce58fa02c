"""One active instance: its life, its turns, its next header, what it hands over."""
