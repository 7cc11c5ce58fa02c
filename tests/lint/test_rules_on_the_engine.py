"""What rules say of the engine is so: mended examples run on it, and it refuses what they call impossible."""

from __future__ import annotations

import gc
import re
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.lint.findings import Rule
from azure_durable_py.lint.rules import RULES
from azure_durable_py.testing import run

BY_CODE = {rule.code: rule for rule in RULES}
# Of what has no orchestrator, or never ends, nothing can be awaited.
RUN = [rule for code, rule in BY_CODE.items() if code not in {"DF000", "DF401", "DF402", "DF501", "DF502"}]
REFUSED = {
    "DF103": "it has no threads and executors",
    "DF104": "cannot be called from a running event loop",
    "DF202": "A list cannot be awaited",
    "DF203": "not its result",
    "DF302": "TypeError",
    "DF303": "not JSON-serializable",
}
INPUTS: dict[str, Any] = {
    "DF002": ["Ada"],
    "DF005": 2,
    "DF007": ["Ada", "Bob"],
    "DF008": "k",
    "DF101": "https://example.com",
    "DF103": [1, 2],
    "DF202": ["tea", "cups"],
    "DF303": [" a "],
}


def app_of(code: str) -> df.DFApp:
    """The app of an example, with what it calls by name and does not show."""
    names: dict[str, Any] = {}
    exec(compile(code, "example.py", "exec"), names)
    app = names.get("app")
    if app is None:
        app = df.DFApp()
        app.register_functions(names["bp"])
    for name in set(re.findall(r'call_activity\("(\w+)"', code)) - set(app.registry.activities.names()):
        app.activity_trigger(input_name="value", activity=name)(lambda value: 1)
    for name in set(re.findall(r'call_sub_orchestrator\("(\w+)"', code)):
        app.orchestration_trigger(context_name="context", orchestration=name)(lambda context: None)
    return app


def orchestrator_of(code: str) -> str:
    found = re.search(r"orchestration_trigger.*\n(?:async )?def (\w+)", code)
    assert found is not None
    return found[1]


def answer(request: df.DurableHttpRequest) -> df.DurableHttpResponse:
    return df.DurableHttpResponse(204, None)


@pytest.mark.parametrize("rule", RUN, ids=lambda rule: rule.code)
def test_a_mended_example_runs_and_is_the_same_on_every_replay(rule: Rule, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BANK", "north")
    name = orchestrator_of(rule.good)
    status = run(app_of(rule.good), name, INPUTS.get(rule.code), http=answer, replay="every-turn")
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed, status.output


@pytest.mark.filterwarnings("ignore:coroutine '.*' was never awaited:RuntimeWarning")
@pytest.mark.parametrize("code", REFUSED)
def test_the_engine_fails_what_cannot_work(code: str):
    rule = BY_CODE[code]
    status = run(app_of(rule.bad), orchestrator_of(rule.bad), INPUTS.get(code))
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Failed
    assert REFUSED[code] in status.output
    # The traceback of the failure holds what was never awaited, in a circle; no other test shall be told of it.
    gc.collect()


def test_an_orchestrator_of_both_styles_is_refused_when_the_app_loads():
    with pytest.raises(df.RegistrationError, match="is an async generator"):
        app_of(BY_CODE["DF204"].bad)
