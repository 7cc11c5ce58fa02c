"""What host.json's `extensions.durableTask` says, checked, with defaults filled in.

Owns the names, defaults and accepted values of settings. Values are read once, when a host
or client starts; nothing is read at import time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one task hub and of the workers on it. Durations are in seconds."""

    hub_name: str = "TestHubName"
    connection_name: str = "AzureWebJobsStorage"
    instance_queue_count: int = 1
    max_concurrent_activities: int = field(default_factory=lambda: 10 * (os.cpu_count() or 1))
    max_concurrent_orchestrators: int = field(default_factory=lambda: 10 * (os.cpu_count() or 1))
    max_concurrent_entities: int = field(default_factory=lambda: 10 * (os.cpu_count() or 1))
    max_entity_operation_batch_size: int = 5000
    max_orchestration_actions: int = 100_000
    extended_sessions: bool = True
    extended_session_idle_timeout: float = 30.0
    overridable_existing_instance_states: str = "NonRunningStates"
    rollback_entity_operations_on_exceptions: bool = True
    http_async_sleep: float = 30.0
    http_use_forwarded_host: bool = False
    queue_batch_size: int = 32
    instance_visibility_timeout: float = 300.0
    activity_visibility_timeout: float = 300.0
    max_queue_polling_interval: float = 30.0
    default_version: str | None = None
    version_match_strategy: str = "CurrentOrOlder"
    version_failure_strategy: str = "Reject"
    url_lifetime: float = 7 * 24 * 3600.0
