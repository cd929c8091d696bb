"""Documentation that is generated is up to date, and what it names exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


def generator() -> ModuleType:
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_up_to_date() -> None:
    """What docs say of commands, settings, metrics, tables, API and speed is so: `make docs`."""
    made = generator()
    documents = made.documents()
    assert len(documents) >= 5
    for path in documents:
        assert made.rendered(path.read_text("utf-8")) == path.read_text("utf-8"), path.name


PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
PAGES += [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", PAGES)
def test_make_targets_that_are_named_exist(name: str) -> None:
    """Every `make` in a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = re.findall(r"(?:`|^\$ )make ([a-z-]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    assert set(named) <= targets


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    """Every relative link of a document leads to a file of the project."""
    path = ROOT / name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target


def test_paths_named_in_the_deployment_table_exist() -> None:
    """docs/deployment.md names files that are there."""
    text = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    for target in re.findall(r"^\| `([^`]+)`", text, re.MULTILINE):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_tests_and_modules_named_in_the_documentation_exist(path: Path) -> None:
    """A promise names the test that holds it, and the architecture the module."""
    text = path.read_text("utf-8")
    for target in re.findall(r"\btests/[\w/.]*\w", text):
        assert (ROOT / target).exists(), target
    for target in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text):
        places = (ROOT, ROOT / "src" / "donkeywatch")
        assert any((place / target).exists() for place in places), target


NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_tests_that_are_named_one_by_one_exist(path: Path) -> None:
    """Not only their files."""
    for target, name in NAMED_TEST.findall(path.read_text("utf-8")):
        source = (ROOT / target).read_text("utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), f"{target}::{name}"


def test_every_promise_names_its_mechanism_and_its_tests() -> None:
    """P1 to P13 and the rest, each in a row of docs/handling.md."""
    text = (ROOT / "docs" / "handling.md").read_text("utf-8")
    rows = re.findall(r"^\| (P\d+|Also) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    assert {row[0] for row in rows} == {*(f"P{number}" for number in range(1, 14)), "Also"}
    for _, promise, mechanism, tests in rows:
        assert promise.strip()
        assert mechanism.strip()
        assert NAMED_TEST.search(tests), promise


def test_every_package_is_on_the_map() -> None:
    """In the order in which the layers are."""
    from test_architecture import LAYERS

    assert LAYERS[1:] == generator().PACKAGES


@pytest.mark.parametrize("name", PAGES)
def test_metrics_that_are_named_exist(name: str) -> None:
    """A metric in a document is one of the catalogue."""
    from donkeywatch.publish.metrics import catalogue

    known = set(re.findall(r"`(donkeywatch_\w+)`", catalogue.metrics_markdown()))
    named = re.findall(r"\bdonkeywatch_[a-z_]+[a-z]\b", (ROOT / name).read_text("utf-8"))
    families = {re.sub(r"_(bucket|sum|count|info|total)$", "", each) for each in known} | known
    assert {each for each in named if each not in families} == set()


def test_every_decision_is_in_their_list() -> None:
    """With its own title."""
    directory = ROOT / "docs" / "decisions"
    listed = (directory / "README.md").read_text("utf-8")
    for path in sorted(directory.glob("0*.md")):
        number, _, title = path.read_text("utf-8").partition("\n")[0][2:].partition(": ")
        assert f"| [{number}]({path.name}) | {title} |" in listed


def test_every_verb_is_documented() -> None:
    """No command is missing from the list that the documentation is made from."""
    from donkeywatch import cli

    cli.load_commands([])
    made = generator()
    of_groups = {
        (group.name, command.name)
        for group in cli.app.registered_groups
        if group.typer_instance
        for command in group.typer_instance.registered_commands
    }
    verbs = {
        (command.name or command.callback.__name__,)
        for command in cli.app.registered_commands
        if command.callback
    }
    assert set(made.verbs()) == {(), *verbs, *of_groups}
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for verb in made.verbs():
        assert f"## `{' '.join(('donkeywatch', *verb))}`\n" in text
