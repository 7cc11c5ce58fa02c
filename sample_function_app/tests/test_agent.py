"""The agent: what it does with tools, who has to agree, and what it does again after a crash."""

from datetime import timedelta

import pytest

import azure_durable_py as df
from azure_durable_py.testing import DurableTestSyncEnvironment, InstanceSyncHandle
from sample_function_app.agent import IS_INSTALLED, answer_complaint, find_order, give_back

BROKEN = "The mug of order 7 arrived broken."
needs_sdk = pytest.mark.skipif(not IS_INSTALLED, reason="needs the OpenAI Agents SDK: `make test-agents` has it")


def decide(handle: InstanceSyncHandle, **answer: object) -> None:
    """Answer what it waits for."""
    [asked] = handle.status().custom_status["approvals"]
    handle.raise_event(asked["event"], answer)


@needs_sdk
def test_a_refund_that_somebody_approved_is_given(durable_sync_env: DurableTestSyncEnvironment) -> None:
    complaint = durable_sync_env.start(answer_complaint, BROKEN)
    durable_sync_env.skip(timedelta(days=2))
    decide(complaint, approved=True, by="Ada")
    answer = complaint.result()
    assert answer["letter"] == "About your mug: 12.50 are on their way for order 7."
    assert (answer["written_by"], answer["spent"]["calls"]) == ("letter writer", 4)


@needs_sdk
def test_a_refund_that_was_denied_is_not_given(durable_sync_env: DurableTestSyncEnvironment) -> None:
    complaint = durable_sync_env.start(answer_complaint, BROKEN)
    decide(complaint, approved=False, reason="the photos show another mug")
    assert "the photos show another mug" in complaint.result()["letter"]
    assert complaint.calls(give_back) == []


@needs_sdk
def test_nobody_is_asked_about_an_order_that_there_is_not(durable_sync_env: DurableTestSyncEnvironment) -> None:
    complaint = durable_sync_env.start(answer_complaint, "Where is order 9?")
    assert complaint.result()["letter"] == "We are sorry, but there is no order 9."


@needs_sdk
def test_after_a_crash_no_finished_step_is_done_again(durable_sync_env: DurableTestSyncEnvironment) -> None:
    looked_up = durable_sync_env.activity(find_order)
    complaint = durable_sync_env.start(answer_complaint, BROKEN)
    durable_sync_env.crash()
    durable_sync_env.restart()
    decide(complaint, approved=True)
    complaint.result()
    assert len(looked_up.received) == 1


@pytest.mark.skipif(IS_INSTALLED, reason="the OpenAI Agents SDK is installed")
def test_without_the_sdk_it_says_how_to_get_it(durable_sync_env: DurableTestSyncEnvironment) -> None:
    complaint = durable_sync_env.start(answer_complaint, BROKEN)
    with pytest.raises(df.OrchestrationFailedError, match=r"pip install 'azure-durable-py\[openai-agents\]'"):
        complaint.result()
