"""Nothing is written twice, whatever is replayed, repeated or lost; and writing asks storage for nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import NonRecordingSpan

import azure_durable_py as df
from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import TaskHubStore
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.wrapping import StoreWrapper
from azure_durable_py.telemetry.traces import TraceObserver
from azure_durable_py.testing import VirtualHub, run_virtual
from azure_durable_py.trace_context import TraceContext
from tests.telemetry.tracing import Traced, exporting, shown, trace

Context = df.DurableOrchestrationContext
app = df.DFApp()
COUNTER = df.EntityId("counter", "c")


@app.orchestration_trigger(context_name="context")
def order(context: Context):
    yield context.call_activity("pay", 1)
    yield context.create_timer(context.current_utc_datetime.replace(hour=12))
    yield context.call_sub_orchestrator("ship", "tea", "the-child")
    yield context.call_entity(COUNTER, "add", 2)
    context.signal_entity(COUNTER, "add", 3)
    return "done"


@app.orchestration_trigger(context_name="context")
def ship(context: Context):
    return (yield context.call_activity("pay", context.get_input()))


@app.activity_trigger(input_name="value")
def pay(value: Any) -> Any:
    return value


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    context.set_state(context.get_state(lambda: 0) + context.get_input())
    context.set_result(context.get_state())


WHOLE = [
    "PRODUCER create_orchestration:order",
    "  SERVER orchestration:order Completed",
    "    CLIENT activity:pay",
    "      SERVER activity:pay",
    "    INTERNAL orchestration:order:timer",
    "    CLIENT orchestration:ship",
    "      SERVER orchestration:ship Completed",
    "        CLIENT activity:pay",
    "          SERVER activity:pay",
    "    CLIENT entity:counter:add",
    "      SERVER entity:counter:add",
    "    PRODUCER entity:counter:add",
    "      CONSUMER entity:counter:add",
]


async def _order(hub: VirtualHub) -> None:
    await hub.client.wait_for_completion(await hub.client.start_new("order", "it", "tea"))
    await hub.at_rest()


@pytest.mark.parametrize("sessions", [True, False], ids=["kept in memory", "replayed at every turn"])
def test_a_replay_writes_nothing(sessions: bool):
    settings = Settings(extended_sessions=sessions, extended_session_idle_timeout=30.0 if sessions else 0.0)
    assert trace(app, _order, settings=settings).tree() == WHOLE


class _Ended(StoreWrapper):
    """A store whose nth commit is the last thing that a process hears of, or hears nothing of."""

    def __init__(self, inner: TaskHubStore, last: int, end: Callable[[], None], *, answered: bool) -> None:
        self._left = last
        self._end = end
        self._answered = answered
        super().__init__(inner)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        if name != "commit":
            return call

        async def commit(*args: Any, **kwargs: Any) -> Any:
            result = await call(*args, **kwargs)
            self._left -= 1
            if self._left == 0:
                if self._answered:
                    self._end()
                    await asyncio.sleep(0)
                else:
                    raise StorageUnavailableError("the answer is lost")
            return result

        return commit


async def _ordered_with(hub: VirtualHub, last: int, *, answered: bool) -> None:
    worker: Any = None

    def end() -> None:
        worker.kill()

    worker = await hub.start_worker(wrap=lambda store: _Ended(store, last, end, answered=answered))
    await hub.start_worker()
    await _order(hub)


@pytest.mark.parametrize("last", range(1, 13))
def test_a_process_that_ends_between_a_commit_and_its_spans_has_nobody_write_them_twice(last: int):
    traced = trace(app, lambda hub: _ordered_with(hub, last, answered=True), workers=0, whole=False)
    _check_no_twice(traced)
    # What one turn would have written is lost, and nothing else.
    lost = Counter(WHOLE_NAMES) - Counter(_names(traced))
    assert sum(lost.values()) <= 3


def test_what_is_lost_in_such_a_process_is_the_spans_of_its_last_turn():
    traced = trace(app, lambda hub: _ordered_with(hub, 2, answered=True), workers=0, whole=False)
    assert Counter(WHOLE_NAMES) - Counter(_names(traced)) == Counter(["CLIENT activity:pay"])


@pytest.mark.parametrize("last", range(1, 13))
def test_a_commit_whose_answer_is_lost_is_told_of_once(last: int):
    traced = trace(app, lambda hub: _ordered_with(hub, last, answered=False), workers=0, whole=False)
    _check_no_twice(traced)
    assert Counter(WHOLE_NAMES) - Counter(_names(traced)) == Counter()


WHOLE_NAMES = [" ".join(line.split()[:2]) for line in WHOLE]


def _names(traced: Traced) -> list[str]:
    return [f"{span.kind.name} {span.name}" for span in traced.spans]


def _check_no_twice(traced: Traced) -> None:
    ids = [span.context.span_id for span in traced.spans]
    assert len(ids) == len(set(ids))
    # Only what runs users' code may have run twice.
    again = Counter(_names(traced)) - Counter(WHOLE_NAMES)
    assert all(name.split()[0] in ("SERVER", "CONSUMER") and "orchestration" not in name for name in again)


# --- cost ----------------------------------------------------------------------------------------------------


class _Counting(StoreWrapper):
    def __init__(self, inner: TaskHubStore) -> None:
        self.calls: Counter[str] = Counter()
        super().__init__(inner)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            return call(*args, **kwargs)

        return counted


def test_traces_cost_no_call_of_storage():
    counted: list[Counter[str]] = []
    for observed in (False, True):
        stores: list[_Counting] = []

        def wrap(store: TaskHubStore, stores: list[_Counting] = stores) -> TaskHubStore:
            stores.append(_Counting(store))
            return stores[-1]

        if observed:
            trace(app, _order, wrap=wrap)
        else:

            async def plain(wrap: Any = wrap) -> None:
                async with VirtualHub(app, wrap=wrap) as hub:
                    await _order(hub)

            run_virtual(plain())
        counted.append(stores[0].calls)
    assert counted[0] == counted[1]
    assert counted[0]["commit"] > 5


# --- who has a say -------------------------------------------------------------------------------------------


async def _trace_of(hub: VirtualHub, instance_id: str) -> TraceContext | None:
    header = await hub.store.load_header(instance_id)
    assert header is not None
    return InstanceState.decode(header.body).trace


def test_what_is_not_sampled_at_its_start_is_not_written_anywhere():
    found: list[TraceContext | None] = []

    async def scenario(hub: VirtualHub) -> None:
        await _order(hub)
        found.extend([await _trace_of(hub, "it"), await _trace_of(hub, "the-child")])

    provider = TracerProvider(ParentBased(ALWAYS_OFF), shutdown_on_exit=False)
    assert trace(app, scenario, provider=provider).spans == []
    assert [(each is not None, each is not None and each.sampled) for each in found] == [(True, False)] * 2
    assert len({each.trace_id for each in found if each is not None}) == 1


@pytest.mark.parametrize("sampled", [True, False])
def test_a_start_that_nobody_traced_begins_a_trace_with_the_first_turn(sampled: bool):
    sampler = None if sampled else ParentBased(ALWAYS_OFF)
    provider, exporter = exporting(TracerProvider(sampler, shutdown_on_exit=False))

    async def run() -> None:
        hub = VirtualHub(app, observer=TraceObserver(provider, now=lambda: hub.now))
        async with hub:
            # The client of another process, where nobody has heard of traces.
            bare = TaskHub(hub.store, hub.clock)
            await bare.open()
            client = df.DurableOrchestrationClient(bare, hub.settings)
            await client.start_new("order", "it", "tea")
            await hub.client.wait_for_completion("it")
            await hub.at_rest()
            status = await hub.store.load_header("it")
            assert status is not None
            assert await _trace_of(hub, "it") == TraceContext.root(status.columns.execution_id, sampled=sampled)

    run_virtual(run())
    assert Traced(list(exporter.get_finished_spans())).tree() == (WHOLE if sampled else [])


class _OtherTracer(api.Tracer):
    """A tracer that is not the SDK's: it gives ids of its own, and keeps names."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self._dice = random.Random(7)

    def start_span(self, name: str, context: Any = None, *args: Any, **kwargs: Any) -> api.Span:
        self.started.append(name)
        parent = api.get_current_span(context).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else self._dice.getrandbits(128)
        return NonRecordingSpan(
            api.SpanContext(trace_id, self._dice.getrandbits(64), False, api.TraceFlags(api.TraceFlags.SAMPLED))
        )

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class _OtherProvider(api.TracerProvider):
    def __init__(self) -> None:
        self.tracer = _OtherTracer()

    def get_tracer(self, *args: Any, **kwargs: Any) -> api.Tracer:
        return self.tracer


def test_a_tracer_that_is_not_the_sdks_is_told_the_same_spans():
    provider = _OtherProvider()

    async def run() -> None:
        async with VirtualHub(app, observer=TraceObserver(provider)) as hub:
            await _order(hub)

    run_virtual(run())
    assert Counter(provider.tracer.started) == Counter(name.split(" ", 1)[1] for name in WHOLE_NAMES)


def test_a_tracer_that_fails_harms_nothing(caplog: pytest.LogCaptureFixture):
    class Broken(_OtherTracer):
        def start_span(self, name: str, context: Any = None, *args: Any, **kwargs: Any) -> api.Span:
            raise RuntimeError("broken")

    provider = _OtherProvider()
    provider.tracer = Broken()

    async def run() -> Any:
        async with VirtualHub(app, observer=TraceObserver(provider)) as hub:
            await _order(hub)
            return (await hub.client.get_status("it")).output

    assert run_virtual(run()) == "done"
    assert "broken" in caplog.text


# --- what host.json says -------------------------------------------------------------------------------------


def test_inputs_and_outputs_are_shown_only_when_asked_for():
    quiet = trace(app, _order)
    assert not any("tea" in str(shown(span)) for span in quiet.spans)
    loud = trace(app, _order, observer={"values": True})
    ship_run = loud.children(loud.one("orchestration:ship", "SERVER"))[0]
    assert shown(ship_run)["durabletask.task.input"] == '"tea"'
    assert shown(ship_run)["durabletask.task.output"] == '"tea"'
    assert shown(loud.one("orchestration:order"))["durabletask.task.output"] == '"done"'
    assert shown(loud.one("entity:counter:add", "SERVER"))["durabletask.task.output"] == "2"


def test_a_long_value_is_cut():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.wait_for_completion(await hub.client.start_new("ship", client_input="x" * 100_000))

    loud = trace(app, scenario, observer={"values": True})
    for span in loud.named("activity:pay"):
        assert len(shown(span)["durabletask.task.input"]) < 8_300


def test_replays_have_spans_only_when_asked_for():
    settings = Settings(extended_sessions=False)
    loud = trace(app, _order, observer={"replays": True}, settings=settings)
    replays = loud.named("orchestration:order:replay")
    assert replays
    assert all(shown(span)["durabletask.replayed_events"] > 0 for span in replays)
    assert all(span in loud.children(loud.one("orchestration:order", "SERVER")) for span in replays)
