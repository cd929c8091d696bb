"""What is told of a failure is one line, whatever files are called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import donkeywatch
from donkeywatch.errors import SourceError, install_extra, printable


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("search.log", "search.log"),
        ("d\u00e9j\u00e0 vu [old].log", "d\u00e9j\u00e0 vu [old].log"),
        ("a\nWARNING b", r"a\nWARNING b"),
        ("a\r\x1b[2J\t\x85\u2028\u202e", r"a\r\x1b[2J\t\x85\u2028\u202e"),
        (os.fsdecode(b"a\xff\xe9.log"), r"a\xff\xe9.log"),
    ],
)
def test_a_name_is_told_in_one_line(name: str, message: str) -> None:
    """Control characters, line separators and bytes that are no UTF-8 are escaped."""
    assert printable(name) == printable(Path(name)) == message
    error = SourceError(f"{name}: damaged", f"restore {name}")
    assert (error.problem, error.remedy) == (f"{message}: damaged", f"restore {message}")
    assert str(error) == f"{message}: damaged -> restore {message}"


def test_an_extra_is_installed_from_a_clone_by_the_python_that_runs() -> None:
    """No message names the public index, where the project's name is somebody else's."""
    command = install_extra("study")
    assert command.endswith(f"{sys.executable} -m pip install '.[study]'")
    sources = Path(donkeywatch.__file__).parent.rglob("*.py")
    assert not [path.name for path in sources if "install 'donkeywatch" in path.read_text("utf-8")]
