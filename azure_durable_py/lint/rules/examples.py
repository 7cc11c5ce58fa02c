"""The beginning that examples of rules have in common."""

from __future__ import annotations

_BEGIN = "import azure_durable_py as df\n\nbp = df.Blueprint()\n\n\n"


def example(body: str, *imports: str) -> str:
    """An example: the imports that it needs, a blueprint `bp`, and what makes it one."""
    lines = "".join(f"{line}\n" for line in imports)
    return f"{lines}\n{_BEGIN}{body}" if lines else _BEGIN + body
