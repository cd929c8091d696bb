"""The suite is the list: no scenario without a test, no test of a scenario that is not listed."""

from __future__ import annotations

import ast
from pathlib import Path

from conformance.scenarios import SCENARIOS
from conformance.scripts import SCRIPTS

HERE = Path(__file__).parent


def marked() -> dict[str, set[str]]:
    """Scenarios by the file whose tests are marked with them; scripts are marked by their id."""
    result: dict[str, set[str]] = {}
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "scenario"
                and isinstance(node.args[0], ast.Constant)
            ):
                result.setdefault(str(node.args[0].value), set()).add(path.name)
    for scripted in SCRIPTS:
        result.setdefault(scripted.id, set()).add("test_scripts.py")
    return result


def test_every_scenario_has_a_test_and_every_test_a_scenario() -> None:
    """By id."""
    assert set(marked()) == set(SCENARIOS)


def test_nothing_is_expected_to_fail() -> None:
    """A scenario that does not pass is a bug to mend, not one to mark."""
    for path in HERE.glob("*.py"):
        assert path == Path(__file__) or "xfail" not in path.read_text("utf-8"), path.name
