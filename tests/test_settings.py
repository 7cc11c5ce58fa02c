"""host.json's durableTask section: what is honoured, defaulted, refused and warned about."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py import settings as settings_module
from azure_durable_py.errors import SettingsError
from azure_durable_py.settings import Settings, parse_duration


def read(durable: dict[str, Any], **app_settings: str) -> Settings:
    return Settings.from_host_json({"version": "2.0", "extensions": {"durableTask": durable}}, app_settings)


def test_an_empty_host_json_gives_the_documented_defaults() -> None:
    settings = Settings.from_host_json({}, {})
    assert settings == Settings()
    assert settings.hub_name == "TestHubName"
    assert settings.connection_name == "AzureWebJobsStorage"
    assert settings.max_concurrent_activities == settings.max_concurrent_entities == 10 * (os.cpu_count() or 1)
    assert settings.max_concurrent_orchestrators == 100
    assert settings.max_queue_polling_interval is None


def test_every_key_sets_its_field() -> None:
    settings = read(
        {
            "hubName": "MyHub",
            "defaultVersion": "1.2",
            "versionMatchStrategy": "strict",
            "versionFailureStrategy": "fail",
            "maxConcurrentActivityFunctions": 3,
            "maxConcurrentOrchestratorFunctions": 4,
            "maxConcurrentEntityFunctions": 5,
            "maxEntityOperationBatchSize": 6,
            "maxOrchestrationActions": 7,
            "maxOrchestratorTurnTime": "00:01:30",
            "extendedSessionsEnabled": False,
            "extendedSessionIdleTimeoutInSeconds": 8,
            "overridableExistingInstanceStates": "AnyState",
            "entityMessageReorderWindowInMinutes": 0,
            "rollbackEntityOperationsOnExceptions": False,
            "httpSettings": {
                "allowedAddresses": ["10.1.0.0/16", "API.internal"],
                "defaultAsyncRequestSleepTimeMilliseconds": 1500,
                "forbiddenAddresses": "10.0.0.0/8, *.internal",
                "maxResponseSizeInBytes": 4096,
                "useForwardedHost": True,
                "managementUrlLifetime": "1.00:00:00",
            },
            "tracing": {
                "distributedTracingEnabled": True,
                "version": "V2",
                "traceInputsAndOutputs": True,
                "traceReplayEvents": True,
            },
            "storageProvider": {
                "type": "AzureStorage",
                "connectionName": "Other",
                "instanceQueueCount": 2,
                "controlQueueBatchSize": 9,
                "controlQueueVisibilityTimeout": "00:01:00",
                "workItemQueueVisibilityTimeout": "00:02:00",
                "maxQueuePollingInterval": "00:00:10",
                "partitionCount": 4,
            },
        }
    )
    assert settings == Settings(
        hub_name="MyHub",
        connection_name="Other",
        instance_queue_count=2,
        max_concurrent_activities=3,
        max_concurrent_orchestrators=4,
        max_concurrent_entities=5,
        max_entity_operation_batch_size=6,
        max_orchestration_actions=7,
        max_turn_time=90.0,
        extended_sessions=False,
        extended_session_idle_timeout=8.0,
        overridable_existing_instance_states="AnyState",
        rollback_entity_operations_on_exceptions=False,
        http_use_forwarded_host=True,
        http_poll_interval=1.5,
        http_max_response_size=4096,
        http_forbidden_addresses=("10.0.0.0/8", "*.internal"),
        http_allowed_addresses=("10.1.0.0/16", "api.internal"),
        queue_batch_size=9,
        instance_visibility_timeout=60.0,
        activity_visibility_timeout=120.0,
        max_queue_polling_interval=10.0,
        default_version="1.2",
        version_match_strategy="Strict",
        version_failure_strategy="Fail",
        url_lifetime=86400.0,
        distributed_tracing=True,
        tracing_version="V2",
        trace_values=True,
        trace_replays=True,
    )


def test_every_setting_is_read_by_somebody() -> None:
    package = Path(settings_module.__file__).parent
    source = "".join(path.read_text("utf-8") for path in package.rglob("*.py") if path.name != "settings.py")
    names = [field.name for field in dataclasses.fields(Settings)]
    assert [name for name in names if not re.search(rf"\.{name}\b", source)] == []


def test_keys_without_effect_here_are_accepted_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    settings = read(
        {
            "entityMessageReorderWindowInMinutes": 30,
            "tracing": {"distributedTracingProtocol": "W3CTraceContext"},
            "storageProvider": {"partitionCount": 4},
        }
    )
    assert settings == Settings()
    assert caplog.records == []


def test_the_first_version_of_tracing_is_said_not_to_be_there(caplog: pytest.LogCaptureFixture) -> None:
    assert read({"tracing": {"version": "v1"}}) == Settings(tracing_version="V1")
    assert caplog.messages == [
        (
            "host.json: extensions.durableTask.tracing.version is V1, which azure_durable_py does not have: spans are "
            "written as by V2. Set it to V2, or to None for no spans."
        )
    ]


def test_keys_are_matched_regardless_of_case() -> None:
    assert Settings.from_host_json({"Extensions": {"durabletask": {"HUBNAME": "MyHub"}}}, {}).hub_name == "MyHub"


def test_the_older_name_of_the_connection_is_honoured() -> None:
    assert read({"storageProvider": {"connectionStringName": "Other"}}).connection_name == "Other"


def test_queue_message_encoding_follows_the_queues_extension() -> None:
    assert Settings().queue_message_encoding == "base64"
    host = {"extensions": {"queues": {"messageEncoding": "none", "batchSize": 16}}}
    assert Settings.from_host_json(host, {}).queue_message_encoding == "none"


def test_the_limit_of_deliveries_follows_the_queues_extension() -> None:
    assert Settings().max_dequeue_count == 5
    host = {"extensions": {"queues": {"MaxDequeueCount": 3, "newBatchThreshold": 8}}}
    assert Settings.from_host_json(host, {}).max_dequeue_count == 3
    with pytest.raises(SettingsError, match=r"extensions\.queues\.maxDequeueCount is 0; accepted is a whole number"):
        Settings.from_host_json({"extensions": {"queues": {"maxDequeueCount": 0}}}, {})


def test_a_value_may_refer_to_an_app_setting() -> None:
    settings = read({"hubName": "%HUB%", "maxConcurrentActivityFunctions": "%MAX%"}, HUB="FromSetting", MAX="12")
    assert (settings.hub_name, settings.max_concurrent_activities) == ("FromSetting", 12)


def test_a_reference_to_a_missing_app_setting_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"hubName is '%HUB%', but there is no app setting 'HUB'"):
        read({"hubName": "%HUB%"})


@pytest.mark.parametrize(
    ("site", "hub"),
    [
        ("my-app", "myapp"),
        ("7-wonders", "t7wonders"),
        ("x", "xHub"),
        ("--", "TestHubName"),
        ("a" * 60, "a" * 45),
    ],
)
def test_the_default_hub_is_the_site_name_made_valid(site: str, hub: str) -> None:
    assert Settings.from_host_json({}, {"WEBSITE_SITE_NAME": site}).hub_name == hub


def test_a_staging_slot_may_not_share_the_default_hub() -> None:
    slot = {"WEBSITE_SITE_NAME": "app", "WEBSITE_SLOT_NAME": "staging"}
    with pytest.raises(SettingsError, match="share task hub 'app' with the production slot"):
        Settings.from_host_json({}, slot)
    assert read({"hubName": "StagingHub"}, **slot).hub_name == "StagingHub"


@pytest.mark.parametrize(
    ("durable", "message"),
    [
        ({"hubName": "1hub"}, r"durableTask\.hubName is '1hub'; accepted is 3 to 45 letters and digits"),
        ({"hubName": "my-hub"}, "hubName is 'my-hub'"),
        ({"httpSettings": {"forbiddenAddresses": ["10.0.0.0/99"]}}, r"forbiddenAddresses is \['10.0.0.0/99'\]"),
        ({"httpSettings": {"forbiddenAddresses": [7]}}, "a list of networks"),
        ({"httpSettings": {"allowedAddresses": {}}}, "a list of networks"),
        ({"httpSettings": {"allowedAddresses": "https://a"}}, "a list of networks"),
        ({"httpSettings": {"maxResponseSizeInBytes": 0}}, "a whole number from 1"),
        ({"hubName": "ab"}, "hubName is 'ab'"),
        ({"hubName": "a" * 46}, "hubName is"),
        ({"hubName": 5}, "hubName is 5"),
        ({"maxConcurrentActivityFunctions": 0}, "is 0; accepted is a whole number of at least 1"),
        ({"maxConcurrentActivityFunctions": "many"}, "is 'many'; accepted is a whole number"),
        ({"maxConcurrentActivityFunctions": 1.5}, r"is 1\.5; accepted is a whole number"),
        ({"maxConcurrentActivityFunctions": True}, "is True; accepted is a whole number"),
        ({"extendedSessionsEnabled": "yes"}, "is 'yes'; accepted is true or false"),
        ({"extendedSessionsEnabled": 1}, "is 1; accepted is true or false"),
        ({"overridableExistingInstanceStates": "Some"}, "one of NonRunningStates, AnyState"),
        ({"versionMatchStrategy": "Newer"}, "one of None, Strict, CurrentOrOlder"),
        ({"defaultVersion": ""}, "a non-empty string"),
        ({"storageProvider": {"type": 5}}, r"storageProvider\.type is 5; accepted is a non-empty string"),
        ({"storageProvider": {"partitionCount": 17}}, "partitionCount is 17; accepted is a whole number from 1 to 16"),
        ({"storageProvider": {"controlQueueBatchSize": 33}}, "from 1 to 32"),
        ({"storageProvider": {"maxQueuePollingInterval": "30"}}, 'a duration "HH:MM:SS"'),
        ({"storageProvider": {"maxQueuePollingInterval": "00:00:00"}}, "from 0.1 to 3600 seconds"),
        ({"storageProvider": {"maxQueuePollingInterval": 30}}, 'a duration "HH:MM:SS"'),
        ({"storageProvider": {"controlQueueVisibilityTimeout": "8.00:00:00"}}, "a duration"),
        ({"storageProvider": []}, r"storageProvider is \[\]; accepted is an object"),
        ({"httpSettings": {"useForwardedHost": "maybe"}}, r"httpSettings\.useForwardedHost is 'maybe'"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(durable: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(durable)


def test_an_unknown_key_is_a_warning_with_the_near_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read({"hubNam": "MyHub", "storageProvider": {"zzz": 1}})
    first, second = (record.getMessage() for record in caplog.records)
    assert "extensions.durableTask.hubNam is not a setting" in first
    assert "Did you mean 'hubName'?" in first
    assert "storageProvider.zzz" in second
    assert "Did you mean" not in second


@pytest.mark.parametrize("name", ["AzureStorage", "azure_storage", "AZURESTORAGE"])
def test_the_storage_that_is_used_may_be_named(name: str, caplog: pytest.LogCaptureFixture) -> None:
    settings = read({"hubName": "MyHub", "storageProvider": {"type": name, "connectionName": "Other"}})
    assert settings == Settings(hub_name="MyHub", connection_name="Other")
    assert caplog.records == []


@pytest.mark.parametrize("backend", ["azureManaged", "mssql", "netherite", "%BACKEND%"])
def test_the_section_of_another_storage_is_left_alone_with_one_warning(
    backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    section = {"Type": backend, "connectionStringName": "SQLDB", "schemaName": "dt", "partitionCount": "many"}
    settings = read({"maxConcurrentActivityFunctions": 3, "hubName": "MyHub", "storageProvider": section}, BACKEND="x")
    assert settings == Settings(hub_name="MyHub", max_concurrent_activities=3)
    [warning] = [record.getMessage() for record in caplog.records]
    assert f"is for {backend.replace('%BACKEND%', 'x')}, which azure_durable_py does not use" in warning
    assert "by the connection AzureWebJobsStorage, or where --storage says." in warning
    assert "There is no hub" not in warning


@pytest.mark.parametrize(
    ("given", "used"), [("TASKHUB_NAME", "TASKHUBNAME"), ("my-hub", "myhub"), ("%HUB%", "ahub"), ("7", "t7Hub")]
)
def test_a_hub_name_of_another_storage_is_made_one_of_ours(
    given: str, used: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = read({"hubname": given, "storageProvider": {"type": "azureManaged"}}, HUB="a_hub")
    assert settings.hub_name == used
    [warning] = [record.getMessage() for record in caplog.records]
    assert f"There is no hub {given.replace('%HUB%', 'a_hub')!r} there, but {used!r}." in warning


def test_null_means_the_default() -> None:
    assert read({"hubName": None, "storageProvider": None}) == Settings()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:05", 5.0),
        ("1.02:03:04", 93784.0),
        ("00:00:00.5", 0.5),
        ("24:00:00", None),
        ("00:60:00", None),
        ("5", None),
        ("", None),
    ],
)
def test_durations_are_written_as_dotnet_writes_them(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds
