"""The worker: takes doorbells and work items, runs turns and activities, commits and hands over."""
