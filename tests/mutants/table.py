"""The table of removals: one TOML file a promise, and what an edit makes of a module."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGE = Path("src/donkeywatch")


class EditError(Exception):
    """An edit no longer applies: the text before is not there once, or nothing valid comes out."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One small edit that takes a mechanism away, and the tests of which one must fail.

    ``file`` is a path in the package; ``number`` counts the mutants of a promise from 1.
    """

    promise: str
    number: int
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """Give the name by which it is told and chosen: `p04-03`."""
        return f"{self.promise}-{self.number:02d}"

    @property
    def path(self) -> Path:
        """Give the path of the module in the tree."""
        return PACKAGE / self.file

    def apply(self, root: Path) -> str:
        """Give the text of the module with the edit; EditError where it does not apply."""
        text = (root / self.path).read_text("utf-8")
        if (count := text.count(self.before)) != 1:
            raise EditError(f"the text before is there {count} times in {self.path}")
        edited = text.replace(self.before, self.after)
        try:
            ast.parse(edited)
        except SyntaxError as error:
            raise EditError(f"{self.path} does not parse: {error.msg}") from None
        return edited


def load(directory: Path = HERE) -> list[Mutant]:
    """Read all mutants, in the order of the promises."""
    mutants = []
    for path in sorted(directory.glob("*.toml")):
        entries = tomllib.loads(path.read_text("utf-8"))["mutant"]
        for number, entry in enumerate(entries, 1):
            tests = tuple(entry["tests"])
            mutants.append(
                Mutant(path.stem, number, entry["file"], entry["before"], entry["after"], tests)
            )
    return mutants
