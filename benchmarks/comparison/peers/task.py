"""What a peer is told on its command line, and how it hands its figures back."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comparison.peers.words import Words, load


@dataclass(frozen=True)
class Task:
    """Count `log` with the words, using so many threads."""

    form: str
    log: Path
    words: Words
    threads: int


Rows = Iterable[Sequence[Any]]
"""Hour (`2026-10-05T07`), queries, addresses, then queries and addresses of each topic."""


def main(forms: Mapping[str, Callable[[Task], Rows]]) -> None:
    """Run one form of a tool, and write what it counted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("form", choices=forms)
    parser.add_argument("log", type=Path)
    parser.add_argument("lexicon", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    task = Task(options.form, options.log, load(options.lexicon), options.threads)
    rows = [[row[0], *map(int, row[1:])] for row in forms[options.form](task)]
    options.out.write_text(json.dumps(rows), encoding="utf-8")


def tool(name: str) -> Any:
    """A library that only the dependency group `bench` has; untyped, since it may be missing."""
    return importlib.import_module(name)


def quoted(text: str) -> str:
    """As a literal of SQL; the words hold nothing but letters and digits, patterns backslashes."""
    return "'" + text.replace("'", "''") + "'"


def array(words: Iterable[str]) -> str:
    """As an array of literals in SQL."""
    return "[" + ",".join(map(quoted, words)) + "]"
