"""The task hub in SQLite: in memory for tests, in one file for the embedded hub."""

from azure_durable_py.taskhub.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
