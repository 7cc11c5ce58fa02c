"""Writes what docs/linting.md says of the rules: `python -m tests.lint`."""

from tests.lint.linting_page import write

write()
