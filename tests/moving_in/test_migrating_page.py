"""`docs/migrating.md` tells every difference of `differences.py`, with its reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.moving_in.differences import ABSENT_MODULES, ABSENT_NAMES, DIFFERENT
from tests.showing import section

PAGE = (Path(__file__).parent.parent.parent / "docs" / "migrating.md").read_text(encoding="utf-8")
TABLES = {
    "Modules below the package": ABSENT_MODULES,
    "Names in modules": ABSENT_NAMES,
    "Members and parameters": DIFFERENT,
}


def rows(reasons: dict[str, str]) -> list[str]:
    """One row for each reason, with all that it is the reason of."""
    return [
        f"| {', '.join(f'`{name}`' for name in reasons if reasons[name] == reason)} | {reason} |"
        for reason in dict.fromkeys(reasons.values())
    ]


@pytest.mark.parametrize("heading", TABLES)
def test_the_page_tells_every_difference_with_its_reason_and_no_other(heading: str) -> None:
    told = re.search(rf"### {heading}\n(.*?)(?=\n###|\Z)", section(PAGE, "Names that are not there"), re.DOTALL)
    assert told is not None
    assert re.findall(r"^\| `.*\|$", told[1], re.MULTILINE) == rows(TABLES[heading])
