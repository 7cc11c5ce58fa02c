"""Values and their types, and what calls do that name none."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_ANNOTATIONS = "tests/test_annotations.py"

MUTANTS = (
    Mutant(
        "annotations_hold_whatever_json_carries",
        "A parameter that is annotated `str` refuses a number, and None.",
        "serialization/annotations.py",
        "    return None if demand is Any else optional(demand)\n",
        "    return annotation\n",
        (f"{_ANNOTATIONS}::test_annotations_of_plain_types_let_values_pass",),
    ),
    Mutant(
        "strictness_is_forgotten",
        "An app with strict types is served on the virtual hub like any other.",
        "registry.py",
        "Registry(strict_types=self.strict_types)",
        "Registry()",
        (f"{_ANNOTATIONS}::test_worker_and_client_are_as_strict_as_their_app",),
    ),
    Mutant(
        "data_has_modules_imported",
        "A module is imported because some data names it.",
        "serialization/envelopes.py",
        "module = sys.modules.get(module_name)",
        "module = __import__(module_name)",
        ("tests/test_serialization.py::test_data_cannot_name_what_the_program_does_not_offer",),
    ),
    Mutant(
        "children_without_a_version",
        "A sub-orchestration that is given no version carries none, whatever host.json says.",
        "runtime/calls/children.py",
        "self._generation.default_version if version is None else version",
        "version",
        ("tests/runtime/test_child_versions.py::test_a_child_carries_the_default_version",),
    ),
    Mutant(
        "purge_of_everything_by_omission",
        "A purge that does not say from when on takes every finished instance.",
        "client/client.py",
        "        if created_time_from is None:\n            raise InvalidRequestError(\n",
        "        if False:\n            raise InvalidRequestError(\n",
        ("tests/client/test_reading.py::test_a_purge_that_does_not_say_from_when_on_deletes_nothing",),
    ),
)
