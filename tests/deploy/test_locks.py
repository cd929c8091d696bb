"""The locks of package and image fit the project's own requirements: `make lock`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "deploy" / "requirements.lock"
BUILD = ROOT / "deploy" / "build-requirements.lock"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
DIRECT = {
    RUNTIME: [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["fleet"],
    ],
    BUILD: PROJECT["build-system"]["requires"],
}
PYTHONS = ("3.11", "3.12", "3.13")


def entries(lock: Path) -> list[str]:
    """Each locked package with all that is said of it."""
    text = re.sub(r"^#.*\n", "", lock.read_text("utf-8"), flags=re.MULTILINE)
    return re.split(r"\n(?=\S)", text.strip())


def requirement(entry: str) -> Requirement:
    """Name, version and marker of a locked package."""
    return Requirement(entry.split("\\", 1)[0].strip())


def locked_versions(lock: Path, name: str, python: str) -> list[str]:
    """The versions of a package that are installed on Linux with a Python."""
    environment = {str(key): str(value) for key, value in default_environment().items()}
    environment |= {"python_version": python, "python_full_version": f"{python}.1"}
    return [
        next(iter(locked.specifier)).version
        for locked in map(requirement, entries(lock))
        if canonicalize_name(locked.name) == canonicalize_name(name)
        and (locked.marker is None or locked.marker.evaluate(environment))
    ]


@pytest.mark.parametrize("lock", DIRECT, ids=lambda lock: lock.name)
@pytest.mark.parametrize("python", PYTHONS)
def test_each_requirement_of_the_project_is_locked_at_a_version_it_allows(
    lock: Path, python: str
) -> None:
    """A bound that was raised, or a requirement that was added, needs a new lock."""
    for text in DIRECT[lock]:
        wanted = Requirement(text)
        (version,) = locked_versions(lock, wanted.name, python)
        assert wanted.specifier.contains(version), f"{text}: locked at {version}; run: make lock"


def test_nothing_is_locked_for_a_requirement_that_the_project_no_longer_has() -> None:
    """What the lock has for our sake alone is what the project requires."""
    ours = {
        canonicalize_name(requirement(entry).name)
        for entry in entries(RUNTIME)
        if "donkeywatch (pyproject.toml)" in entry
    }
    assert ours == {canonicalize_name(Requirement(text).name) for text in DIRECT[RUNTIME]}


@pytest.mark.parametrize("lock", DIRECT, ids=lambda lock: lock.name)
def test_each_locked_package_has_hashes_and_no_index(lock: Path) -> None:
    """A file that an index has put in another's place is refused, whichever index is asked."""
    for entry in entries(lock):
        assert "--hash=sha256:" in entry, entry
        assert next(iter(requirement(entry).specifier)).operator == "==", entry
    assert not re.search(r"index|://|^-", lock.read_text("utf-8"), re.MULTILINE)
    assert "donkeywatch" not in {requirement(entry).name for entry in entries(lock)}
