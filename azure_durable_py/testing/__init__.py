"""Tests of durable apps: the real engine in memory, at virtual time, without a host or a storage account.

`DurableTestEnvironment` runs an app while a test uses it, `DurableTestSyncEnvironment` does so without `await`, and
`run` runs one orchestration. `OrchestratorPlayer` and `play_entity` play one function alone, step by step, without an
engine. `play` and `VirtualHub` are what environments stand on, for test harnesses. `replay` runs recorded
histories through the code of today.
"""

from azure_durable_py.testing.calls import Call, CallList, calls_of, read_calls
from azure_durable_py.testing.doubles.behaviours import Execution
from azure_durable_py.testing.doubles.doubles import Doubles
from azure_durable_py.testing.doubles.stand_ins import ActivityDouble, EntityDouble, OperationDouble, OrchestratorDouble
from azure_durable_py.testing.environment.entity_handle import EntityHandle
from azure_durable_py.testing.environment.environment import DurableTestEnvironment
from azure_durable_py.testing.environment.handle import InstanceHandle
from azure_durable_py.testing.environment.sync_environment import (
    DurableTestSyncEnvironment,
    EntitySyncHandle,
    InstanceSyncHandle,
)
from azure_durable_py.testing.ordinary.triggers import FunctionOutput
from azure_durable_py.testing.replaying.entry import replay
from azure_durable_py.testing.replaying.recordings import Recording, recordings
from azure_durable_py.testing.replaying.report import DivergenceError, ReplayReport
from azure_durable_py.testing.replaying.verdicts import Replayed, Verdict
from azure_durable_py.testing.running import play, run
from azure_durable_py.testing.unit.entity_play import PlayedOperation, SentSignal, StartedOrchestration, play_entity
from azure_durable_py.testing.unit.generator_wrapper import orchestrator_generator_wrapper
from azure_durable_py.testing.unit.pending import PendingCall, PendingList
from azure_durable_py.testing.unit.player import OrchestratorPlayer
from azure_durable_py.testing.unit.subjects import StepError
from azure_durable_py.testing.virtual.hub import VirtualHub, VirtualWorker
from azure_durable_py.testing.virtual.time import StuckError, run_virtual

__all__ = [
    "ActivityDouble",
    "Call",
    "CallList",
    "DivergenceError",
    "Doubles",
    "DurableTestEnvironment",
    "DurableTestSyncEnvironment",
    "EntityDouble",
    "EntityHandle",
    "EntitySyncHandle",
    "Execution",
    "FunctionOutput",
    "InstanceHandle",
    "InstanceSyncHandle",
    "OperationDouble",
    "OrchestratorDouble",
    "OrchestratorPlayer",
    "PendingCall",
    "PendingList",
    "PlayedOperation",
    "Recording",
    "ReplayReport",
    "Replayed",
    "SentSignal",
    "StartedOrchestration",
    "StepError",
    "StuckError",
    "Verdict",
    "VirtualHub",
    "VirtualWorker",
    "calls_of",
    "orchestrator_generator_wrapper",
    "play",
    "play_entity",
    "read_calls",
    "recordings",
    "replay",
    "run",
    "run_virtual",
]
