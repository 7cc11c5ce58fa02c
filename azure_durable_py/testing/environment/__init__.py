"""The test environment, with `await` and without, and the handles of what runs in it."""
