"""What spans show of values: whatever it is, exporters can write it, and of HTTP calls nothing that is secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import azure_durable_py as df
from azure_durable_py.testing import VirtualHub
from tests.telemetry.tracing import trace

Context = df.DurableOrchestrationContext
app = df.DFApp()
ODD = "half \ud83d of a pair"


@app.orchestration_trigger(context_name="context")
async def tells(context: Context) -> str:
    text: str = context.get_input()
    context.signal_entity(df.EntityId("refuses", "a"), text, text)
    with suppress(df.TaskFailedError):
        await context.call_activity("fails", text)
    return await context.wait_for_external_event(text)


@app.activity_trigger(input_name="text")
def fails(text: str) -> str:
    raise ValueError(text)


@app.entity_trigger(context_name="context")
def refuses(context: df.DurableEntityContext) -> None:
    raise ValueError(context.get_input())


async def scenario(hub: VirtualHub) -> None:
    await hub.client.start_new("tells", "one", ODD)
    await hub.client.raise_event("one", ODD, ODD)
    assert (await hub.client.wait_for_completion("one")).output == ODD
    await hub.at_rest()


def test_no_span_has_text_that_is_no_unicode():
    traced = trace(app, scenario, observer={"values": True})
    assert len(traced.spans) == 8
    for span in traced.spans:
        texts = [span.name, span.status.description or "", *_texts(span.attributes)]
        for event in span.events:
            texts += [event.name, *_texts(event.attributes)]
        assert all(text.encode("utf-8") for text in texts if text)
    names = {span.name for span in traced.spans}
    assert "orchestration_event:half \\ud83d of a pair" in names


def _texts(attributes: Mapping[str, Any] | None) -> Sequence[str]:
    return [value for value in (attributes or {}).values() if isinstance(value, str)]


@app.orchestration_trigger(context_name="context")
async def calls_out(context: Context) -> int:
    headers = {"Authorization": "Bearer s3cret"}
    answer = await context.call_http("POST", "https://api.example/pay?key=s3cret", '"s3cret"', headers)
    return answer.status_code


def test_a_request_is_shown_by_its_method_and_address_alone():
    async def pays(hub: VirtualHub) -> None:
        await hub.client.start_new("calls_out", "two")
        assert (await hub.client.wait_for_completion("two")).output == 200

    async def answer(request: df.DurableHttpRequest) -> df.DurableHttpResponse:
        return df.DurableHttpResponse(200)

    traced = trace(app, pays, observer={"values": True}, http=answer)
    shown = [text for span in traced.spans for text in _texts(span.attributes)]
    assert '{"method": "POST", "uri": "https://api.example/pay?..."}' in shown
    assert not [text for text in shown if "s3cret" in text]
