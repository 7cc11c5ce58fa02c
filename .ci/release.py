"""Looks whether a tag may be published: it is the version, and the changelog says what is in it.

`python .ci/release.py v1.2.3`: the answer to a tag that may not be is exit code 1 and the reason.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def refusal(tag: str, project: str, changelog: str) -> str | None:
    """Why a tag may not be published; None: it may.

    :param project: the text of pyproject.toml.
    :param changelog: the text of CHANGELOG.md.
    """
    version = re.search(r'^version = "([^"]+)"$', project, re.MULTILINE)
    if version is None:
        return "pyproject.toml has no version."
    if tag != f"v{version[1]}":
        return f"The tag is {tag!r}, and the version in pyproject.toml {version[1]!r}: the tag must be 'v{version[1]}'."
    section = re.search(
        rf"^## \[{re.escape(version[1])}\][^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if section is None or not section[1].strip():
        return f"CHANGELOG.md says nothing of {version[1]}: give it a section '## [{version[1]}]' with what is new."
    return None


def main() -> int:
    """Print the reason, if there is one."""
    found = refusal(
        sys.argv[1] if len(sys.argv) == 2 else "",
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    )
    if found is not None:
        print(found, file=sys.stderr)  # noqa: T201 - a command prints
    return 0 if found is None else 1


if __name__ == "__main__":
    sys.exit(main())
