"""Installs what is compared: each peer at its version into an environment of its own below `.bench/` of the checkout.

An environment is made once. Its directory is named after what it holds, so that another version is another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.catalogue import Packages

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / ".bench"
TIMEOUT = 600.0
"""Seconds that one installer may take."""
_SCRIPTS, _EXE = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")


class InstallError(Exception):
    """An environment could not be made."""


@dataclass(frozen=True)
class Environment:
    """Where a system runs.

    :param python: its interpreter.
    :param variables: environment variables that its processes get beside those of this one.
    """

    python: Path
    variables: dict[str, str]


def own() -> Environment:
    """The environment of this process: that of ours."""
    return Environment(Path(sys.executable), {})


def install(packages: Packages, cache: Path = CACHE) -> Environment:
    """The environment with these packages, made if there is none yet.

    :raises InstallError: an installer failed; says what it said last.
    """
    held = json.dumps([packages.python, packages.npm, sys.version_info[:3]])
    directory = cache / f"{packages.name}-{hashlib.sha256(held.encode()).hexdigest()[:8]}"
    ready = directory / ".ready"
    python = directory / "venv" / _SCRIPTS / f"python{_EXE}"
    if not ready.exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        _run(sys.executable, "-m", "venv", str(directory / "venv"))
        _run(str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *packages.python)
        if packages.npm:
            npm = shutil.which("npm") or "npm"
            _run(
                npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(directory), *packages.npm
            )
        ready.touch()
    commands = directory / "node_modules" / ".bin"
    # A process finds what npm installed as it finds everything else.
    return Environment(python, {"PATH": f"{commands}{os.pathsep}{os.environ.get('PATH', '')}"} if packages.npm else {})


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{Path(command[0]).name}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise InstallError(f"{Path(command[0]).name}: {said[-1] if said else f'exit status {done.returncode}'}")
