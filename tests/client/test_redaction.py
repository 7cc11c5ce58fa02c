"""What is redacted is gone from the whole line, and the history of the rest can still be replayed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.client.redaction import placeholder
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.history.events import ExecutionStarted
from azure_durable_py.testing import VirtualHub, play, replay

Context = df.DurableOrchestrationContext
app = df.DFApp()
SECRETS = {
    "password": "Pa55word!",
    "card": {"number": 4111222233334444, "owner": 'Ada "the" Lovelace', "until": "2031-05-31"},
    "mail": "ada@example.org",
    "amount": 12.75,
    "vip": True,
}


@dataclass
class Charge:
    owner: str
    until: datetime


@app.orchestration_trigger(context_name="context")
async def pay(context: Context) -> Any:
    given = context.get_input()
    card = given["card"]
    context.set_custom_status(f"charging {card['owner']}")
    if given["vip"]:
        await context.call_activity("greet", {"to": [given["mail"]]})
    child = await context.call_sub_orchestrator("charge", card, instance_id=f"charge-{card['number']}")
    await context.call_entity(df.EntityId("purse", given["mail"]), "take", given["amount"])
    go = await context.wait_for_external_event("Go")
    await context.create_timer(timedelta(seconds=len(go["token"])))
    charged = Charge(card["owner"], await context.call_activity("until", card["until"], expected_type=datetime))
    try:
        await context.call_activity("refuse", given["password"])
    except df.TaskFailedError as error:
        raise ValueError(f"{error} {child} {go['token']} {charged.until:%A}") from error


@app.orchestration_trigger(context_name="context")
async def charge(context: Context) -> str:
    return f"charged {context.get_input()['number']}"


@app.activity_trigger(input_name="value")
def greet(value: Any) -> Any:
    return value


@app.activity_trigger(input_name="value")
def until(value: str) -> str:
    return value


@app.activity_trigger(input_name="value")
def refuse(value: str) -> None:
    raise PermissionError(f"{value} is wrong")


@app.entity_trigger(context_name="context")
def purse(context: df.DurableEntityContext) -> None:
    context.set_result({"owner": context.entity_key})


@pytest.fixture(scope="module")
def exported() -> ExportedInstance:
    async def scenario(hub: VirtualHub) -> ExportedInstance:
        await hub.client.start_new("pay", "p", SECRETS, tags={"customer": "ada@example.org"})
        await hub.client.raise_event("p", "Go", {"token": "abcd-1234"})
        await hub.client.wait_for_completion("p")
        [instance] = [one async for one in hub.client.export_history(names=["pay"])]
        return instance

    return play(app, scenario)


ALL = ["password", "input.card", "mail", "token", "amount"]


def test_nothing_of_what_is_named_is_left_anywhere(exported: ExportedInstance) -> None:
    before, after = exported.to_line(), exported.redacted(ALL).to_line()
    for secret in ("Pa55word", "4111222233334444", "Lovelace", "2031", "ada@example", "12.75", "abcd-1234"):
        assert secret in before
        assert secret not in after


def test_its_history_is_replayed_to_the_same_decisions_and_the_same_failure(exported: ExportedInstance) -> None:
    line = exported.redacted(ALL).to_line()
    report = replay(app, [exported, line])
    report.raise_for_divergence(changes=True)
    assert report.tally.histories == 2


def test_values_keep_their_type_and_shape(exported: ExportedInstance) -> None:
    redacted = exported.redacted(ALL)
    assert redacted.status.input_ == {
        "password": "Aa11aaaa!",
        "card": {"number": 1111111111111111, "owner": 'Aaa "aaa" Aaaaaaaa', "until": "1111-11-11"},
        "mail": "aaa@aaaaaaa.aaa",
        "amount": 11.11,
        "vip": True,
    }
    assert redacted.status.tags == {"customer": "aaa@aaaaaaa.aaa"}
    assert redacted.status.instance_id == "p"
    assert redacted.status.execution_id == exported.status.execution_id


@pytest.mark.parametrize(
    ("selectors", "gone", "kept"),
    [
        (["INPUT.Card.Number"], ["4111222233334444"], ["Lovelace", "Pa55word"]),
        (["*.number"], ["4111222233334444"], ["Lovelace"]),
        (["output.number"], [], ["4111222233334444"]),
        (["data"], ["abcd-1234"], ["Lovelace"]),
        (["customStatus"], ["charging"], ["Lovelace"]),
        (["tags.customer"], ["ada@example.org"], ["Lovelace"]),
        (["failure.stack_trace"], ["test_redaction.py"], ["Pa55word! is wrong"]),
        (["failure.message"], ["Pa55word! is wrong"], ['"Pa55word!"']),
    ],
)
def test_selectors(exported: ExportedInstance, selectors: Sequence[str], gone: list[str], kept: list[str]) -> None:
    line = exported.redacted(selectors).to_line().replace('\\"', '"')
    for text in gone:
        assert text not in line
    for text in kept:
        assert text in line


@pytest.mark.parametrize("selector", ["", ".", "input..x", "x."])
def test_a_selector_names_something(exported: ExportedInstance, selector: str) -> None:
    with pytest.raises(InvalidRequestError, match="names nothing to redact"):
        exported.redacted([selector])


def test_without_selectors_it_is_what_it_was(exported: ExportedInstance) -> None:
    assert json.loads(exported.redacted([]).to_line()) == json.loads(exported.to_line())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T08:30:00.5Z", "1111-11-11T11:11:11.1Z"),
        ("3f2504e0-4f89-11d3", "1a1111a1-1a11-11a1"),
        ("Zoë 7", "Aaa 1"),
        ("", ""),
    ],
)
def test_placeholders(text: str, expected: str) -> None:
    assert placeholder(text) == expected


def redacted_line(value: Any, *selectors: str, status: Any = None) -> str:
    """The line of an instance with an input and a custom status, without what selectors name."""
    texts: dict[str, Any] = {"input_json": json.dumps(value), "custom_status_json": json.dumps(status)}
    return ExportedInstance(df.DurableOrchestrationStatus(instance_id="i", **texts)).redacted(selectors).to_line()


@pytest.mark.parametrize(
    ("number", "other"),
    [(1e-07, 1e-11), (1.5e300, 1.1e111), (-20.5, -11.1), (12345678901234567890.0, 1.1111111111111112e11)],
)
def test_numbers_of_any_size_stay_numbers(number: float, other: float) -> None:
    line = json.loads(redacted_line({"amount": number}, "amount", status=f"paid {number}"))
    assert line["input"] == {"amount": other}
    assert line["customStatus"] == f"paid {other}"


@pytest.mark.parametrize("write", [json.dumps, lambda text: json.dumps(text, ensure_ascii=False), repr])
def test_a_secret_is_found_in_texts_that_write_it_in_another_way(write: Callable[[str], str]) -> None:
    secret = 'Größe "7"\n'
    line = json.loads(redacted_line({"password": secret}, "password", status=f"given {write(secret)}"))
    assert line["customStatus"] == f"given {write(placeholder(secret))}"


def test_what_is_named_is_found_in_texts_that_are_json() -> None:
    body = json.dumps({"user": "ada", "password": "Pa55word!", "pin": "007"})
    line = json.loads(redacted_line({"content": body}, "password", "pin", status="Pa55word! is wrong"))
    assert json.loads(line["input"]["content"]) == {"user": "ada", "password": "Aa11aaaa!", "pin": "111"}
    assert line["customStatus"] == "Aa11aaaa! is wrong"


def test_texts_that_are_json_stay_as_they_are_written_where_nothing_is_named() -> None:
    assert json.loads(redacted_line('{ "a":1}', "password"))["input"] == '{ "a":1}'


@pytest.mark.parametrize("secret", ["٠١٢٣٤", "नमस्ते", "ภาษาไทย", "½²"])
def test_letters_and_digits_of_every_script_are_replaced(secret: str) -> None:
    assert not set(secret) & set(placeholder(secret))


def test_an_input_that_is_no_json_goes_as_well(exported: ExportedInstance) -> None:
    events = [
        replace(event, input="secret{") if isinstance(event, ExecutionStarted) else event
        for event in exported.events or ()
    ]
    assert "secret{" not in replace(exported, events=events).redacted(["input"]).to_line()
