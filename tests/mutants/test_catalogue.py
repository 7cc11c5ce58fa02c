"""The catalogue of mutants follows the code: each bug still applies, and the tests that catch it exist."""

from __future__ import annotations

import ast
import functools
from collections import Counter

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.planting import PACKAGE, ROOT, MisfitError, Mutant


@functools.cache
def _tests_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return frozenset(function.name for function in functions)


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) >= 40
    assert [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1] == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_applies_and_the_tests_that_catch_it_exist(mutant: Mutant) -> None:
    text = (ROOT / PACKAGE / mutant.file).read_text(encoding="utf-8")
    planted = mutant.mutate(text)
    assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(text))
    assert mutant.caught_by
    for test in mutant.caught_by:
        path, _, name = test.partition("::")
        assert (ROOT / path).exists(), f"there is no {path}"
        assert not name or name.partition("[")[0] in _tests_in(path), f"there is no {test}"


def test_a_text_that_is_not_there_once_is_an_error_that_says_so() -> None:
    mutant = Mutant("typo", "Nothing.", "nowhere.py", "old", "new", ())
    for text in ("", "old old"):
        with pytest.raises(MisfitError, match="let the catalogue follow"):
            mutant.mutate(text)
