"""Every removal still applies, and is tested by tests that there are."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from mutants.__main__ import choose
from mutants.table import PACKAGE, ROOT, EditError, Mutant, load

MUTANTS = load()
MIN_MUTANTS = 100
PROMISES = {f"p{number:02d}" for number in range(1, 14)} | {"also", "extended", "fleet"}


@cache
def names_of_tests(path: Path) -> set[str]:
    """Give the tests of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_an_edit_applies_once_and_parses(mutant: Mutant) -> None:
    """And the tests that must notice it exist."""
    assert mutant.apply(ROOT) != (ROOT / mutant.path).read_text("utf-8")
    assert mutant.tests
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path).is_file(), path
        assert not name or name.partition("[")[0] in names_of_tests(ROOT / path), test


def test_every_promise_has_removals_and_none_is_there_twice() -> None:
    """A hundred or more in all."""
    assert {mutant.promise for mutant in MUTANTS} == PROMISES
    assert len(MUTANTS) >= MIN_MUTANTS
    edits = [(mutant.file, mutant.before, mutant.after) for mutant in MUTANTS]
    assert len(set(edits)) == len(edits)


def test_an_edit_that_does_not_apply_is_told(tmp_path: Path) -> None:
    """Its text is not there, is there twice, or leaves what does not parse."""
    module = tmp_path / PACKAGE / "module.py"
    module.parent.mkdir(parents=True)
    module.write_text("one = 1\ntwo = 1\n")
    for before, after in (("three", "four"), ("= 1", "= 2"), ("one = 1", "one =")):
        with pytest.raises(EditError):
            Mutant("p01", 1, "module.py", before, after, ("tests",)).apply(tmp_path)
    assert Mutant("p01", 1, "module.py", "one = 1\n", "", ("tests",)).apply(tmp_path) == "two = 1\n"


def test_mutants_are_chosen_by_name_and_promise() -> None:
    """All where none is named."""
    assert choose(MUTANTS, [], None) == MUTANTS
    assert [mutant.name for mutant in choose(MUTANTS, ["p04-03"], None)] == ["p04-03"]
    assert {mutant.promise for mutant in choose(MUTANTS, ["p04"], None)} == {"p04"}
