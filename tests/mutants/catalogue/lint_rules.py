"""The rules of the linter: what only looks like a fault, and what no look-alike hides."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_CAUGHT = ("tests/lint/test_rule_cases.py::test_what_is_marked_is_found_and_nothing_else",)

MUTANTS = (
    Mutant(
        "own_modules_pass_for_others",
        "A module of the project is taken for the library of the same name.",
        "lint/reading.py",
        "symbol is None or symbol.module is not None else symbol.dotted",
        "symbol is None else symbol.dotted",
        _CAUGHT,
    ),
    Mutant(
        "sets_of_numbers_have_no_order",
        "Going over a set of numbers is told.",
        "lint/sets.py",
        "return isinstance(value, int | float)",
        "return False",
        _CAUGHT,
    ),
    Mutant(
        "registries_filled_at_import_change",
        "A table that decorators fill while modules are imported counts as one that changes.",
        "lint/changes.py",
        "if not any(_runs_at_import(project, function) for function in around):",
        "if around:",
        _CAUGHT,
    ),
    Mutant(
        "guards_are_overlooked",
        "A log line below `if not context.is_replaying` is told.",
        "lint/rules/logs.py",
        "return _tells(function, operand, met=not met)",
        "return _tells(function, operand, met=met)",
        _CAUGHT,
    ),
    Mutant(
        "loops_come_to_no_later_wait",
        "A log line in a loop that waits counts as one behind the last wait.",
        "lint/flow.py",
        "        case ast.Match():\n            return []\n        case _:\n            return [parent]",
        "        case _:\n            return []",
        _CAUGHT,
    ),
    Mutant(
        "an_inner_break_ends_the_loop",
        "A `break` of a loop within an endless one counts as its end.",
        "lint/rules/loops.py",
        "case ast.Break() if not is_inner:",
        "case ast.Break():",
        _CAUGHT,
    ),
    Mutant(
        "names_count_by_case",
        "The name of an entity in another case is told as unknown.",
        "lint/rules/names.py",
        '    if name.lower() not in known:\n        return f"no entity',
        '    if name not in known:\n        return f"no entity',
        _CAUGHT,
    ),
)
