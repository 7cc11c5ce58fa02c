"""Sets of full names, such as rules look for.

Owns how such a set is written and asked.
"""

from __future__ import annotations

import re


class Names:
    """Full names, some of them by patterns.

    :param patterns: names as they are; in one with `*`, that stands for any text, or none.
    """

    def __init__(self, *patterns: str) -> None:
        self._patterns = patterns
        self._plain = frozenset(pattern for pattern in patterns if "*" not in pattern)
        starred = (re.escape(pattern).replace(r"\*", ".*") for pattern in patterns if "*" in pattern)
        self._starred = re.compile("|".join(starred) or "(?!)")
        self._answers: dict[str, bool] = {}

    def __contains__(self, name: str | None) -> bool:
        if name is None:
            return False
        if name not in self._answers:
            self._answers[name] = name in self._plain or self._starred.fullmatch(name) is not None
        return self._answers[name]

    def __or__(self, other: Names) -> Names:
        return Names(*self._patterns, *other._patterns)
