"""The command line `azure-durable`."""
