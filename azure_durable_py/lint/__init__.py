"""The determinism linter: what code that is replayed must not do, found without running it."""

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.linting import lint_app, lint_paths, lint_source
from azure_durable_py.lint.settings import LintSettings

__all__ = ["LintFinding", "LintSettings", "Rule", "lint_app", "lint_paths", "lint_source"]
