"""`orchestrator_generator_wrapper`: an orchestrator's generator, driven by the results of stand-in tasks.

Owns that loop. It knows neither the engine nor the app: for a test with those, see `run` and `play`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any


def orchestrator_generator_wrapper(generator: Generator[Any, Any, Any]) -> Generator[Any, None, None]:
    """Drive an orchestrator with the `result` of each task that it yields, and yield those tasks, then its result.

    What reading a `result` raises is raised where the orchestrator yielded the task. So a unit test gives it a
    stand-in context whose calls return objects with a `result`, and looks at all that comes out:

        values = list(orchestrator_generator_wrapper(chain(context)))

    :param generator: what calling the orchestrator function returned.
    :raises Exception: what the orchestrator raises.
    """
    try:
        task = next(generator)
        while True:
            yield task
            try:
                result = task.result
            except Exception as error:  # noqa: BLE001 - whatever a task fails with is the orchestrator's to handle
                task = generator.throw(error)
            else:
                task = generator.send(result)
    except StopIteration as stop:
        yield stop.value
