"""constraints.txt names one version of everything that is installed, for every Python and system that is promised.

Where one of these fails after a change of pyproject.toml, `make lock` is due.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = [
    found[1]
    for classifier in PROJECT["project"]["classifiers"]
    if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", classifier))
]
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "darwin": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "win32": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}


class Place(NamedTuple):
    """Where things are installed."""

    python: str
    system: str

    @property
    def environment(self) -> dict[str, str]:
        named = {"python_version": self.python, "python_full_version": f"{self.python}.0"}
        return {
            **named,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "extra": "",
            **SYSTEMS[self.system],
        }


PLACES = [Place(python, system) for python in PYTHONS for system in SYSTEMS]


def applies(requirement: Requirement, place: Place) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(place.environment)


def constrained(place: Place) -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.lstrip().startswith("#"):
            pinned = Requirement(line)
            [version] = pinned.specifier
            assert version.operator == "=="
            if applies(pinned, place):
                found.setdefault(canonicalize_name(pinned.name), []).append(Version(version.version))
    return found


def required() -> list[Requirement]:
    texts = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    for group in (*PROJECT["project"]["optional-dependencies"].values(), *PROJECT["dependency-groups"].values()):
        texts += [text for text in group if isinstance(text, str)]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("place", PLACES, ids="-".join)
def test_everything_that_is_asked_for_has_one_version_that_will_do(place: Place):
    versions = constrained(place)
    assert [name for name, found in versions.items() if len(found) != 1] == []
    unmet = [
        str(requirement)
        for requirement in required()
        if applies(requirement, place)
        and not any(requirement.specifier.contains(v) for v in versions.get(canonicalize_name(requirement.name), []))
    ]
    assert unmet == [], "run `make lock`"


@pytest.mark.parametrize("place", PLACES, ids="-".join)
def test_the_library_of_functions_is_the_one_that_the_worker_of_that_python_has(place: Place):
    [version] = constrained(place)["azure-functions"]
    assert version.major == (2 if Version(place.python) >= Version("3.13") else 1)


def test_the_container_is_built_from_them():
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    installs = re.findall(r"pip install [^&\n]+", text)
    assert installs
    assert [line for line in installs if "--constraint constraints.txt" not in line] == []
