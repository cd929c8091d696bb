"""What takes part: a command in a fresh process, and how to read the figures it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from comparison.figures import COLUMNS, Figures
from comparison.input import Input


@dataclass(frozen=True)
class Site:
    """An empty directory for one run; what the command prints is in `stdout`."""

    place: Path
    input: Input
    threads: int

    @property
    def out(self) -> Path:
        """Where a peer writes its figures, or where its output was sent."""
        return self.place / "stdout"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One row of the table, in one form.

    `prepare` writes what the command needs, which is not timed, and returns the command; `read`
    finds the figures afterwards. Rows of the same `name` are forms of one tool, of which the
    qualifying round picks one. `limit` is the most lines it can be asked to read.
    """

    name: str
    prepare: Callable[[Site], list[str]]
    read: Callable[[Site], Figures]
    form: str = ""
    leaves_out: str = ""
    log: str = "tsv"
    cores: int | None = None
    limit: int | None = None
    missing: Callable[[], str | None] = lambda: None

    @property
    def label(self) -> str:
        """The name with the form."""
        return f"{self.name}: {self.form}" if self.form else self.name


def table(rows: list[list[str]]) -> Figures:
    """Figures from rows of hour and columns; an empty or missing cell is not counted."""
    return {
        row[0]: {
            column: int(row[at]) if at < len(row) and row[at] != "" else None
            for at, column in enumerate(COLUMNS, 1)
        }
        for row in rows
    }
