"""Whether this worker may run an instance of a given version (host.json `versionMatchStrategy`)."""

from __future__ import annotations

import re

from azure_durable_py.settings import Settings


def may_run(version: str | None, settings: Settings) -> bool:
    """Whether an instance of this version may run here.

    A worker without a `defaultVersion`, or with the strategy `None`, runs everything. `Strict` wants
    the same version; `CurrentOrOlder` also runs older ones and those without a version.
    """
    own = settings.default_version
    strategy = settings.version_match_strategy.lower()
    if own is None or strategy == "none":
        return True
    if strategy == "strict":
        return version == own
    return version is None or _ordered(version) <= _ordered(own)


def refusal(version: str | None, settings: Settings) -> str:
    """Why an instance may not run here, and what to do."""
    return (
        f"The instance is of version {version or '(none)'}, and this worker runs {settings.default_version!r} with "
        f"versionMatchStrategy {settings.version_match_strategy}. Deploy a worker that may run it."
    )


def _ordered(version: str) -> tuple[tuple[int, int, str], ...]:
    """Versions compare part by part: numbers as numbers, and before words."""
    return tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.split(r"[.\-+_]", version)
    )
