"""`python -m azure_durable_py` is `azure-durable`."""

from azure_durable_py.cli.main import main

main()
