"""What people read is made of the same words in the log, on the command line and on the monitor page.

Owns how lengths of time, moments, failures and places in code are said. What is said is a line: what comes from outside
is shortened, and its line breaks do not begin new ones.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from datetime import datetime, timedelta
from pathlib import Path

from azure_durable_py.failures import FailureDetails
from azure_durable_py.times import UTC

MOST_CHARS = 500
"""Characters of a failure's message that a line shows; the history has the rest."""
_PACKAGE = str(Path(__file__).parent) + os.sep
_FRAME = re.compile(r'^\s*File "(?P<file>.+?)", line (?P<line>\d+), in (?P<function>.+)$', re.MULTILINE)
_LIBRARIES = tuple(
    f"{path}{os.sep}"
    for path in (*(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")), str(Path(sys.base_prefix, "lib")))
)
_NO_CODE_OF_USERS = ("site-packages", "dist-packages")


def duration(length: timedelta | float, *, rough: bool = False) -> str:
    """A length of time by its two largest units: `8 ms`, `1.2 s`, `2 min 5 s`, `3 h 12 min`, `30 d`.

    :param length: as a timedelta or in seconds; one below nothing counts as nothing.
    :param rough: by the largest unit alone, and of whole seconds.
    """
    seconds = max(0.0, length.total_seconds() if isinstance(length, timedelta) else length)
    if rough and seconds < 60:
        return f"{int(seconds)} s"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    return " ".join(_parts(round(seconds))[: 1 if rough else 2])


def _parts(seconds: int) -> list[str]:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    counts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(at for at, (count, _) in enumerate(counts) if count)
    return [f"{count} {unit}" for count, unit in counts[first : first + 2] if count]


def moment(time: datetime) -> str:
    """A time, in UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def counted(count: int, noun: str, *verbs: str) -> str:
    """How many of something, in the right number: `1 message`, `2 messages`.

    :param verbs: what one does and what several do, if the sentence goes on with that.
    """
    said = f"{count} {noun}" if count == 1 else f"{count} {noun}s"
    return f"{said} {verbs[count != 1]}" if verbs else said


def one_line(text: str, most: int = MOST_CHARS) -> str:
    """A text of somebody's, without line breaks and not too long."""
    joined = " ".join(text.split())
    return joined if len(joined) <= most else joined[:most] + " ..."


def summary(details: FailureDetails, most: int = MOST_CHARS) -> str:
    """A failure in a line: its type, without the module, and its message."""
    kind = details.error_type.rpartition(".")[2]
    message = one_line(short_names(details.message), most)
    return f"{kind}: {message}" if kind and message else kind or message


def failure(details: FailureDetails) -> str:
    """A failure in a line: its type, its message, and where user code raised it."""
    return _placed(summary(details), place(details))


def failure_and_cause(details: FailureDetails) -> str:
    """What failed and why, in a line: the innermost cause, and the place in the code of the app that raised it."""
    cause = details
    while cause.inner_failure is not None:
        cause = cause.inner_failure
    if cause is details:
        return failure(details)
    # What wraps a failure says what failed; as a rule it repeats the cause, which says why.
    what = one_line(short_names(details.message))
    if cause.message not in details.message:
        return f"{what} - {failure(cause)}"
    return _placed(what, place(cause) or place(details))


def _placed(said: str, where: str | None) -> str:
    return said if where is None else f"{said} ({where})"


def short_names(message: str) -> str:
    """The message of a failure, with the errors of this package by their class alone."""
    return message.replace("azure_durable_py.errors.", "")


def place(details: FailureDetails) -> str | None:
    """Where in the code of the app a failure was raised, like `function_app.py:12, in greet`; None: nowhere in it."""
    frames = [found for found in _FRAME.finditer(details.stack_trace or "") if _is_of_user(found["file"])]
    if not frames:
        return None
    last = frames[-1]
    return f"{_shown(last['file'])}:{last['line']}, in {last['function']}"


def stack(details: FailureDetails) -> str:
    """The stack of a failure without the frames of libraries and of this package; the whole, if no others are left."""
    whole = (details.stack_trace or "").rstrip("\n")
    frames = list(_FRAME.finditer(whole))
    if not any(_is_of_user(found["file"]) for found in frames):
        return whole
    ends = [*(found.start() for found in frames[1:]), whole.rfind("\n") + 1]
    kept = [
        whole[found.start() : end].rstrip("\n")
        for found, end in zip(frames, ends, strict=True)
        if _is_of_user(found["file"])
    ]
    return "\n".join(kept)


def _is_of_user(file: str) -> bool:
    if file.startswith((_PACKAGE, "<")) or any(f"{os.sep}{name}{os.sep}" in file for name in _NO_CODE_OF_USERS):
        return False
    return not file.startswith(_LIBRARIES)


def _shown(file: str) -> str:
    return file.removeprefix(f"{Path.cwd()}{os.sep}")
