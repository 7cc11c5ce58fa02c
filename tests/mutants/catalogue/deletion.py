"""Taking instances away: the mark, the rest that is handed over, and the order of deletion."""

from __future__ import annotations

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "replaced_without_its_rest",
        "A finished instance is taken away with what it still had to say.",
        "taskhub/lifecycle.py",
        "    await hand_over_rest(hub, header, state)\n    await _delete_rows(",
        "    await _delete_rows(",
        ("tests/protocol/test_rules_time.py::test_r17_a_child_that_is_purged_still_tells_its_parent",),
    ),
)
