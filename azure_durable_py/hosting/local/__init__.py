"""The local host: runs a function app on one machine, without the Functions host."""

DEFAULT_PORT = 7071
