"""The systems that are compared, at which versions, and what the results say of each. Versions are named here only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.peers.scenarios import DURABLE, REPLAYS, Scenario

OURS = "azure_durable_py on"


@dataclass(frozen=True)
class Packages:
    """What an environment holds, at these versions. The first is the peer itself.

    :param name: of the environment's directory.
    :param python: from PyPI, as `name==version`.
    :param npm: from the npm registry, as `name@version`.
    """

    name: str
    python: tuple[str, ...]
    npm: tuple[str, ...] = ()

    @property
    def versions(self) -> dict[str, str]:
        """Each package's version by its name."""
        pairs = [text.split("==") for text in self.python] + [text.rsplit("@", 1) for text in self.npm]
        return {name.partition("[")[0]: version for name, version in pairs}


DURABLETASK = Packages("durabletask", ("durabletask==1.12.0",))
DBOS = Packages("dbos", ("dbos==3.4.0",))
RESTATE = Packages(
    "restate",
    ("restate-sdk[serde]==1.3.0", "hypercorn==0.18.0", "aiohttp==3.14.5"),
    ("@restatedev/restate-server@1.7.12",),
)
FUNCTIONS = Packages("functions", ("azure-functions-durable==1.7.0",))


@dataclass(frozen=True)
class System:
    """One way to use a system.

    :param name: on the command line.
    :param title: in the results.
    :param module: below `benchmarks.peers.systems`.
    :param variant: which of the ways that the module has.
    :param packages: its environment; None: this one.
    :param acts: what it does.
    :param durability: what is kept, as it is used here, when the power fails; empty: it keeps nothing to begin with.
    :param lacks: names of scenarios that it does not run although it could, and why.
    """

    name: str
    title: str
    module: str
    variant: str
    packages: Packages | None
    acts: frozenset[str]
    durability: str
    lacks: Mapping[str, str] = field(default_factory=lambda: {})

    def runs(self, scenario: Scenario) -> bool:
        """Whether it takes part."""
        return scenario.act in self.acts and scenario.name not in self.lacks


STEPS = frozenset({"hello_cities", "alone", "under_load", "chain", "fan_out"})
SYNCED = "every commit is synced to the disk before it counts, and outlives a loss of power"
IN_MEMORY = "none, everything ends with the process"
LONG = {"hello_cities-2000": "it takes long, and 200 say the same"}
SYSTEMS = (
    System("ours", f"{OURS} SQLite", "ours", "sqlite", None, DURABLE | REPLAYS, SYNCED),
    System("durabletask", "durabletask in memory", "durabletask_in_memory", "memory", DURABLETASK, DURABLE, IN_MEMORY),
    System("dbos", "DBOS on SQLite", "dbos_on_sqlite", "sqlite", DBOS, DURABLE, SYNCED),
    System("restate", "Restate, steps inline", "restate_server", "inline", RESTATE, DURABLE, SYNCED),
    System(
        "restate-services", "Restate, steps as services", "restate_server", "services", RESTATE, STEPS, SYNCED, LONG
    ),
    System("durabletask-replay", "durabletask", "durabletask_in_memory", "replay", DURABLETASK, REPLAYS, ""),
    System("functions-replay", "azure-functions-durable", "functions_replay", "replay", FUNCTIONS, REPLAYS, ""),
    System("ours-def", f"{OURS} SQLite, activities in threads", "ours", "sqlite-def", None, STEPS, SYNCED, LONG),
    System(
        "azurite", f"{OURS} Azurite", "ours", "azurite", None, DURABLE, "that of an emulator, which promises none", LONG
    ),
)
"""Ours first: everything else is compared with it. They run in this order, and in each round begin one further on."""
