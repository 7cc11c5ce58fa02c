"""The task hub on Azure Storage: one table and a few queues. The only package that imports Azure's SDK."""

from azure_durable_py.taskhub.azure.connections import StorageConnection
from azure_durable_py.taskhub.azure.store import AzureStore

__all__ = ["AzureStore", "StorageConnection"]
