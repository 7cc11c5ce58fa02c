"""What code asks the context to call: which kind of function, by which name, with which input.

Owns reading such calls as the context takes them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from azure_durable_py.lint.functions import DurableKind, LintedFunction
from azure_durable_py.lint.public_names import CONTEXT, ENTITY_CONTEXT, OURS
from azure_durable_py.lint.reading import context_method, values_of

_CALLS: dict[str, tuple[DurableKind, tuple[str, ...]]] = {
    "call_activity": ("activity", ("name", "input_", "expected_type")),
    "call_activity_with_retry": ("activity", ("name", "retry_options", "input_", "expected_type")),
    "call_sub_orchestrator": ("orchestrator", ("name", "input_", "instance_id", "version", "expected_type")),
    "call_sub_orchestrator_with_retry": (
        "orchestrator",
        ("name", "retry_options", "input_", "instance_id", "version", "expected_type"),
    ),
    "call_entity": ("entity", ("entityId", "operationName", "operationInput", "expected_type")),
    "signal_entity": ("entity", ("entityId", "operationName", "operationInput", "signal_time")),
    "schedule_new_orchestration": ("orchestrator", ("orchestrator", "input_", "instance_id", "version", "start_at")),
}
_INPUTS = frozenset({"input_", "operationInput"})
# Other methods that write what they are given as JSON: the place and the name of that.
_PAYLOADS = {
    "continue_as_new": (0, "input_"),
    "set_custom_status": (0, "status"),
    "set_status_part": (1, "value"),
    "send_event": (2, "data"),
}


@dataclass(frozen=True, slots=True)
class ContextCall:
    """A call of an activity, a sub-orchestration or an operation of an entity.

    :param given: what each parameter is given, by its name.
    :param strays: what no parameter takes: the arguments that are too many, and keywords that there are not.
    :param is_open: whether stars may give more.
    """

    call: ast.Call
    method: str
    kind: DurableKind
    parameters: tuple[str, ...]
    given: dict[str, ast.expr]
    strays: tuple[ast.expr | ast.keyword, ...]
    is_open: bool

    @property
    def target(self) -> ast.expr | None:
        """What names the function: a text, the function itself or, for entities, an id."""
        return self.given.get(self.parameters[0])

    @property
    def input(self) -> ast.expr | None:
        """The input; None: it has none."""
        return next((value for name, value in self.given.items() if name in _INPUTS), None)


def context_call(function: LintedFunction, node: ast.AST) -> ContextCall | None:
    """What a node asks the context to call, if it is such a call."""
    if not isinstance(node, ast.Call):
        return None
    method = _method(function, node)
    if method not in _CALLS:
        return None
    kind, parameters = _CALLS[method]
    plain = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
    is_open = len(plain) < len(node.args) or any(keyword.arg is None for keyword in node.keywords)
    given = dict(zip(parameters, node.args if not is_open else plain[:1], strict=False))
    strays: list[ast.expr | ast.keyword] = [] if is_open else list(node.args[len(parameters) :])
    for keyword in node.keywords:
        if keyword.arg in parameters:
            given[keyword.arg] = keyword.value
        elif keyword.arg is not None:
            strays.append(keyword)
    return ContextCall(node, method, kind, parameters, given, tuple(strays), is_open)


def _method(function: LintedFunction, call: ast.Call) -> str:
    name = function.name_of(call.func) or ""
    for context in (CONTEXT, ENTITY_CONTEXT, f"{OURS}.entity_context()"):
        if name.startswith(f"{context}."):
            return name.removeprefix(f"{context}.")
    return ""


def payloads_of(function: LintedFunction, node: ast.AST) -> Iterator[ast.expr]:
    """What a call of the context writes as JSON."""
    asked = context_call(function, node)
    if asked is not None and asked.input is not None:
        yield asked.input
    method = context_method(function, node)
    if isinstance(node, ast.Call) and method in _PAYLOADS:
        place, name = _PAYLOADS[method]
        if len(node.args) > place:
            yield node.args[place]
        yield from (keyword.value for keyword in node.keywords if keyword.arg == name)


def entity_name(function: LintedFunction, node: ast.expr | None) -> str | None:
    """The name in an entity id that is made where it stands, or given a name once."""
    if isinstance(node, ast.Name):
        values = values_of(function.module, node) or []
        node = values[0] if len(values) == 1 else None
    if not isinstance(node, ast.Call) or function.name_of(node.func) != f"{OURS}.EntityId":
        return None
    by_name = [keyword.value for keyword in node.keywords if keyword.arg == "name"]
    first = node.args[0] if node.args else next(iter(by_name), None)
    return function.module.constant(first)
