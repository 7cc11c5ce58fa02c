"""The linter: which names it follows, whom it looks at, and what lets a finding pass."""

from __future__ import annotations

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "methods_see_names_of_their_class",
        "A name in a method is looked up in the body of its class, where Python does not look.",
        "lint/scopes.py",
        "if innermost or not isinstance(parent, ast.ClassDef):",
        "if parent is not None:",
        ("tests/lint/test_names.py::test_a_name_is_looked_up_in_the_scopes_around_it",),
    ),
    Mutant(
        "the_other_package_is_looked_up_in_files",
        "A directory of the name hides what azure.durable_functions is.",
        "lint/imports.py",
        'if binding.level == 0 and f"{binding.module}.".startswith(_PUBLIC):',
        "if binding.level < 0:",
        ("tests/lint/test_names.py::test_the_packages_are_known_by_name_whatever_files_there_are",),
    ),
    Mutant(
        "activities_are_helpers",
        "An activity that is called straight is looked at as a part of the orchestrator.",
        "lint/reach.py",
        "or node in declared or not module.is_linted",
        "or not module.is_linted",
        ("tests/lint/test_reach.py::test_what_the_engine_calls_is_nobodys_helper",),
    ),
    Mutant(
        "helpers_that_are_only_read_are_told",
        "What a single file imports is told as well.",
        "lint/reach.py",
        "or node in declared or not module.is_linted",
        "or node in declared",
        ("tests/lint/test_reach.py::test_of_a_single_text_the_modules_beside_it_are_read_and_not_told_of",),
    ),
    Mutant(
        "computed_names_are_overlooked",
        "An app counts as wholly known although the name of a function is computed.",
        "lint/project.py",
        "app.is_complete = app.is_complete and declared.name is not None",
        "app.is_complete = app.is_complete is True",
        ("tests/lint/test_discovery.py::test_an_app_is_not_wholly_known_where_a_name_is_computed_or_from_elsewhere",),
    ),
    Mutant(
        "texts_excuse_findings",
        "A text with noqa in it lets the line pass.",
        "lint/noqa.py",
        "elif token.type == tokenize.COMMENT:",
        "elif token.type in (tokenize.COMMENT, tokenize.STRING):",
        ("tests/lint/test_noqa.py::test_a_text_is_no_comment",),
    ),
    Mutant(
        "mistyped_codes_excuse_everything",
        "A colon without a code lets everything pass.",
        "lint/noqa.py",
        'self._all = self._all or found["colon"] is None',
        'self._all = self._all or not found["codes"]',
        ("tests/lint/test_noqa.py::test_a_comment_for_something_else_does_not",),
    ),
    Mutant(
        "environments_are_linted",
        "A virtual environment of another name than usual is linted.",
        "lint/files.py",
        ' or (directory / "pyvenv.cfg").is_file())',
        ")",
        ("tests/lint/test_files.py::test_a_virtual_environment_of_any_name_is_left_out",),
    ),
    Mutant(
        "commas_end_annotations",
        "A comma in the name of a file ends the property of an annotation.",
        "lint/reports.py",
        '.replace(":", "%3A").replace(",", "%2C")',
        '.replace(":", "%3A")',
        ("tests/lint/test_reports.py::test_nothing_in_a_name_or_message_ends_the_line_of_github",),
    ),
    Mutant(
        "fingerprints_have_lines",
        "A finding that moves to another line is a new one.",
        "lint/reports.py",
        "{found.function}\\n{found.message}",
        "{found.line}\\n{found.message}",
        ("tests/lint/test_reports.py::test_fingerprints_outlive_a_move_to_another_line_and_tell_findings_apart",),
    ),
)
