"""Privacy is a matter of types and imports: the house is built as the design says."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from donkeywatch.counting.observations import Observations

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "donkeywatch"
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST = 350


def imported(path: Path) -> Iterator[str]:
    """Full names of everything a module imports, wherever in it, and of modules named in text."""
    package = ["donkeywatch", *path.relative_to(SOURCE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and str(node.value).startswith("donkeywatch."):
            yield str(node.value)


LAYERS = (
    "errors", "settings", "counting", "sources", "ingest", "estimation", "store", "publish",
    "fleet", "evaluation", "runtime", "report", "simulation", "cli",
)  # fmt: skip
"""Packages in the order of the data: each imports those before it only."""
BEHIND_THE_BOUNDARY = ("counting", "estimation", "store", "publish")


def packages_imported(path: Path) -> set[str]:
    """Packages of donkeywatch, or its loose modules, that a module imports."""
    names = (name.split(".") for name in imported(path))
    return {parts[1] for parts in names if parts[0] == "donkeywatch" and len(parts) > 1}


def test_the_tree_is_these_packages_and_four_files() -> None:
    """Nothing lies loose beside them."""
    mapping = {path.name for path in SOURCE.iterdir() if path.name != "__pycache__"}
    assert mapping == {*LAYERS, "errors.py", "__init__.py", "__main__.py", "py.typed"} - {"errors"}


@pytest.mark.parametrize("package", LAYERS[1:])
def test_imports_follow_the_order_of_the_data(package: str) -> None:
    """None runs back."""
    later = set(LAYERS[LAYERS.index(package) + 1 :])
    modules = sorted((SOURCE / package).rglob("*.py"))
    assert modules
    assert {name for path in modules for name in packages_imported(path) & later} == set()


@pytest.mark.parametrize("package", BEHIND_THE_BOUNDARY)
def test_nothing_behind_the_privacy_boundary_imports_what_is_before_it(package: str) -> None:
    """What counts, stores and publishes knows neither logs nor lines."""
    for path in sorted((SOURCE / package).rglob("*.py")):
        assert not packages_imported(path) & {"ingest", "sources"}, path.relative_to(SOURCE)


def test_the_walk_sees_imports() -> None:
    """The walk above finds what the code before the boundary does import."""
    assert "donkeywatch.ingest.keyring.Keyring" in set(
        imported(SOURCE / "ingest" / "pseudonymiser.py")
    )


def test_observations_have_no_field_for_an_address_or_a_word() -> None:
    """Exactly these columns cross the privacy boundary."""
    assert [field.name for field in fields(Observations)] == [
        "time", "pseudonym", "previous_pseudonym", "country", "categories", "is_late", "tally",
    ]  # fmt: skip
    assert not hasattr(Observations, "__dict__") or Observations.__slots__


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_says_what_it_is(path: Path) -> None:
    """A docstring of at least a sentence."""
    message = ast.get_docstring(ast.parse(path.read_bytes()))
    assert message
    assert message.split("\n")[0].endswith((".", ":", "!", "?"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_is_too_long(path: Path) -> None:
    """One noun per module: 350 lines are enough for any."""
    assert len(path.read_bytes().splitlines()) <= LONGEST


def test_nothing_in_the_tree_points_out_of_it() -> None:
    """No tracked file but a test names the directory beside the checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = [name.decode() for name in listed.stdout.split(b"\0") if name]
    assert "pyproject.toml" in names
    pointing = [
        name
        for name in names
        if not name.startswith("tests/")
        and (ROOT / name).is_file()
        and b"../shared" in (ROOT / name).read_bytes()
    ]
    assert pointing == []
