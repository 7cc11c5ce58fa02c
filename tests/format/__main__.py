"""Writes the golden files that are missing, and the examples of docs/format.md: `python -m tests.format`.

A file that is there is never written anew: it stands for what is in the hubs of users. When a test says that today's
bytes are others, raise the version of the record and add a step; then the new version gets files of its own here.
"""

from __future__ import annotations

from tests.format.document import DOCUMENT, filled
from tests.format.golden import FOLDER, GOLDEN, path_of


def main() -> None:
    """Write a file for each sample whose version has none yet."""
    FOLDER.mkdir(exist_ok=True)
    for name, golden in GOLDEN.items():
        path = path_of(name)
        if not path.exists():
            path.write_bytes(golden.write())
            print(f"wrote {path.name}")
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
