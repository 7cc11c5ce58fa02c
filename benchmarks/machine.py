"""Where a run is: the machine, and versions of what takes part."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.figures import Figure, Machine, Run, Source

ROOT = Path(__file__).parent.parent


def run_of(
    source: Source,
    measured: Iterable[Figure],
    *,
    began: datetime,
    command: str,
    rounds: int,
    versions: Mapping[str, str],
    directory: Path,
    notes: Iterable[str] = (),
) -> Run:
    """Figures that were measured here just now, with all that is to be known of their run.

    :param began: with its time zone.
    :param command: the command line that repeats it.
    :param rounds: how often each figure was measured.
    :param versions: of what took part, see `versions`.
    :param directory: where the files of the hubs lay.
    :param notes: what a reader must know beside the figures.
    """
    return Run(
        source=source,
        began=began.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        seconds=(datetime.now(timezone.utc) - began).total_seconds(),
        command=command,
        commit=commit(),
        rounds=rounds,
        machine=machine(directory),
        python=platform.python_version(),
        versions=dict(versions),
        figures=tuple(measured),
        notes=tuple(notes),
    )


def machine(directory: Path) -> Machine:
    """This machine; the disk is that of the directory."""
    return Machine(_cpu(), _cores(), _memory(), _disk(directory), _system())


def commit() -> str:
    """Of the checkout, with `+` after it where it has changes; `unknown` where there is no git."""
    head = _said("git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD")
    changed = _said("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no", "--", "azure_durable_py")
    return f"{head}{'+' if changed else ''}" if head else "unknown"


def versions(names: Iterable[str]) -> dict[str, str]:
    """Of those packages that are installed for this interpreter."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    text = _text("/proc/cpuinfo")
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return _said("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> float:
    if sys.platform == "win32":  # It does not say without being asked in C.
        return 0.0
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _system() -> str:
    for line in _text("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            name = line.partition("=")[2].strip('"')
            return f"{name}, {platform.system()} {platform.release()}"
    return platform.platform()


def _disk(directory: Path) -> str:
    """File system and device under a directory; whether the device turns is what the kernel says of it."""
    best, device, kind = "", "", ""
    for line in _text("/proc/mounts").splitlines():
        name, place, file_system, *_ = line.split(" ")
        if directory.resolve().is_relative_to(place) and len(place) >= len(best):
            best, device, kind = place, name, file_system
    if not kind:
        return "unknown"
    name = Path(device).resolve().name
    if name.startswith(("vd", "xvd")):  # What a hypervisor shows says nothing true of what is behind it.
        return f"{kind} on a virtual disk"
    # A partition has no such file; the disk that it is on has.
    turns = _text(f"/sys/class/block/{name}/queue/rotational") or _text(f"/sys/class/block/{name}/../queue/rotational")
    return kind + {"0": " on a solid-state disk", "1": " on a disk that turns"}.get(turns.strip(), "")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
