"""A task hub in dictionaries, for runs at virtual time."""

from azure_durable_py.testing.virtual.memory.place import Partition, Place
from azure_durable_py.testing.virtual.memory.store import MemoryStore

__all__ = ["MemoryStore", "Partition", "Place"]
