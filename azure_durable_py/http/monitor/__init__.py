"""The monitor: a page that shows a hub, and the data behind it, below the management API."""
