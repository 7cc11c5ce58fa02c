"""The app inside the Azure Functions Python worker: what the host is told, and what it delivers."""

from azure_durable_py.hosting.functions.expansion import expand

__all__ = ["expand"]
