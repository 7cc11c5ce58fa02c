"""`replay`: recorded histories through an app, in one call."""

from __future__ import annotations

from azure_durable_py.settings import Settings
from azure_durable_py.testing.apps import App, registry_of
from azure_durable_py.testing.replaying.recordings import Sources, recordings
from azure_durable_py.testing.replaying.replayer import Replayer
from azure_durable_py.testing.replaying.report import ReplayReport


def replay(
    app: App, histories: Sources, *, settings: Settings | None = None, allow_changed_inputs: bool = False
) -> ReplayReport:
    """Run recorded histories through today's code of an app, and tell which of them it does not repeat.

    Nothing but orchestrators runs. One history is in memory at a time, however many there are.

        def test_instances_in_flight_survive_this_version():
            replay(app, "histories/").raise_for_divergence()

    :param app: an app, a plain `azure.functions.FunctionApp` or a blueprint.
    :param histories: as `azure-durable export` writes them: a file, a directory (all `*.jsonl` in it and below), a
        pattern, a line, an `ExportedInstance`, a `Recording`, or several of these.
    :param settings: as from host.json: which versions the app runs, and how long a turn may take (30 s).
    :param allow_changed_inputs: a call with another input than was recorded is a change, and no divergence.
    :raises FileNotFoundError: there is no such file, or none in a directory or of a pattern.
    """
    report = ReplayReport()
    replayer = Replayer(registry_of(app), settings or Settings(), allow_changed_inputs=allow_changed_inputs)
    with replayer:
        for recording in recordings(histories):
            report.add(replayer.replay(recording))
    return report
