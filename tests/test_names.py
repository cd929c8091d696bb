"""Names that said nothing of what they hold, or were metaphors, do not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("src", "tests", "benchmarks", "docs", "grafana", "deploy")
RETIRED = frozenset(
    (
        "FEW", "MANY", "MUCH", "FAR", "SHORT", "WHOLE", "NOTHING", "ENOUGH", "FRONT",
        "LEISURE", "HURRY", "told", "said", "asked", "odd", "fine", "good", "own", "some",
        "found", "seen", "one", "apart", "alone", "enough", "crew", "desk", "shelf",
        "doorbell", "bell", "lot", "lots",
    )
)  # fmt: skip
"""Constants without a unit, participles in the place of nouns, and words of a private language."""
RETIRED_WORDS = frozenset(("FEW", "MUCH", "FAR", "WHOLE", "NOTHING", "ENOUGH", "HURRY", "LEISURE"))
"""Not even as a part of a constant's name."""


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Give every name that a module binds, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield (node.id if isinstance(node, ast.Name) else node.attr), node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno


def is_retired(name: str) -> bool:
    """Tell whether a name is on the list, with or without underscores around it."""
    if name.strip("_") in RETIRED:
        return True
    return name.isupper() and not RETIRED_WORDS.isdisjoint(name.split("_"))


@pytest.mark.parametrize("part", PARTS)
def test_no_retired_name_is_bound(part: str) -> None:
    """A constant says what it measures, a local what it holds, a class what it is."""
    hits = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / part).rglob("*.py"))
        for name, line in bound_names(ast.parse(path.read_text("utf-8")))
        if is_retired(name)
    ]
    assert not hits


def test_no_two_public_classes_have_one_name() -> None:
    """A name has one meaning in the whole tree."""
    places: dict[str, list[str]] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path.name)
    assert not {name: files for name, files in places.items() if len(files) > 1}


def test_the_list_is_looked_for() -> None:
    """A name on it is found wherever it is bound, and no other."""
    text = "def told(one, two):\n    _seen = FAR_END = row = 1\n"
    bound = [name for name, _ in bound_names(ast.parse(text)) if is_retired(name)]
    assert sorted(bound) == ["FAR_END", "_seen", "one", "told"]


QUESTIONS = frozenset(
    (
        "What", "Whose", "Of", "Is", "How", "Which", "Are", "Does", "Has", "Was", "Were", "May",
        "Can", "Did",
    )
)  # fmt: skip
"""Words that begin a riddle or a question, and no sentence on what a function does."""


def test_no_docstring_of_a_function_begins_as_a_question() -> None:
    """It says what the function does: `Tell whether`, `Give`, `List`."""
    hits = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                if text.partition(" ")[0] in QUESTIONS:
                    hits.append(f"{path.relative_to(ROOT)}:{node.lineno}: {text[:60]}")
    assert not hits


def test_a_name_between_double_backticks_is_a_parameter() -> None:
    """A docstring follows when a parameter is renamed; other code stands in single backticks."""
    hits = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {name}"
        for path in sorted((ROOT / "src").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for name in re.findall(r"``([a-z_]\w*)``", ast.get_docstring(node) or "")
        if name
        not in {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
    ]
    assert not hits
