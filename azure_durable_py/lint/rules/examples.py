"""The beginning that examples of rules have in common."""

from __future__ import annotations

BLUEPRINT = "import azure_durable_py as df\n\nbp = df.Blueprint()\n\n\n"
APP = "import azure_durable_py as df\n\napp = df.DFApp()\n\n\n"


def example(body: str, *imports: str, begin: str = BLUEPRINT) -> str:
    """An example: the imports that it needs, a blueprint `bp` or an app, and what makes it one."""
    lines = "".join(f"{line}\n" for line in imports)
    return f"{lines}\n{begin}{body}" if lines else begin + body
