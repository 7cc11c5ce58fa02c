"""azure-functions-durable in a place of its own, to compare with.

It lives beside the tests' own packages, never among them: both come as `azure.functions` and more. One
installation by pip is kept below `build/`, by what pyproject.toml and constraints.txt say.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT.joinpath("build", "peer")
DUMP = Path(__file__).parent / "dump_names.py"
VALUES = Path(__file__).parent / "values.py"


def names_of_peer() -> dict[str, Any]:
    """What `dump_names.py` tells of it. Skips the test where it cannot be installed."""
    where = installed()
    kept = where / f"names-{_digest(DUMP, VALUES)}.json"
    if not kept.exists():
        # -S: nothing but this package and what it needs is to be found.
        command = [sys.executable, "-S", "-W", "ignore", str(DUMP)]
        environment = {**os.environ, "PYTHONPATH": str(where)}
        environment.pop("VIRTUAL_ENV", None)
        found = subprocess.run(command, env=environment, cwd=where, capture_output=True, text=True, check=True)
        _put(kept, found.stdout)
    return json.loads(kept.read_text(encoding="utf-8"))


def installed() -> Path:
    """Where it lies. Skips the test where it cannot be installed."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    where = KEPT / f"{python}-{_digest(ROOT / 'pyproject.toml', ROOT / 'constraints.txt')}"
    if where.exists():
        return where
    KEPT.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=KEPT, prefix="new-"))
    command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--target", str(made)]
    command += ["--constraint", "constraints.txt", "--group", "peer"]
    try:
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=240)
    except subprocess.SubprocessError as error:
        shutil.rmtree(made)
        told = str(getattr(error, "stderr", "") or error).strip().splitlines()
        pytest.skip(f"azure-functions-durable cannot be installed here: {told[-1] if told else error}")
    try:
        made.rename(where)
    except OSError:
        # Another process was faster: the same is there.
        shutil.rmtree(made)
        assert where.exists()
    return where


def _put(file: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as made:
        made.write(text)
    Path(made.name).replace(file)


def _digest(*files: Path) -> str:
    return hashlib.blake2b(b"\0".join(file.read_bytes() for file in files), digest_size=6).hexdigest()
