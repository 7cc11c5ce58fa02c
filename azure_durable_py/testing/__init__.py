"""Tests of durable apps: the real engine in memory, at virtual time, without a host or a storage account.

`run` runs one orchestration, `play` a scenario with a client; both stand on `VirtualHub`.
"""

from azure_durable_py.testing.generator_wrapper import orchestrator_generator_wrapper
from azure_durable_py.testing.running import play, run
from azure_durable_py.testing.virtual_hub import VirtualHub, VirtualWorker
from azure_durable_py.testing.virtual_time import StuckError, run_virtual

__all__ = [
    "StuckError",
    "VirtualHub",
    "VirtualWorker",
    "orchestrator_generator_wrapper",
    "play",
    "run",
    "run_virtual",
]
