"""What is published of this checkout, built for tests to look at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent.parent


def distribution(kind: Literal["wheel", "sdist"], out: Path) -> Path:
    """Build it, and return its file."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", out], cwd=ROOT, check=True)
    (built,) = out.iterdir()
    return built
