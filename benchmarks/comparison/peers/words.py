"""The lexicon as a user of a general tool would prepare it: folded words by what they count for."""

from __future__ import annotations

import tomllib
import unicodedata
from pathlib import Path
from typing import NamedTuple


class Words(NamedTuple):
    """Folded words, disjoint but for `suffixes`, which count behind an age only.

    A word of both `child` and `sex` is in `both` alone: it meets one part of a rule, not two.
    """

    explicit: list[str]
    child: list[str]
    sex: list[str]
    both: list[str]
    parent: list[str]
    kin: list[str]
    terms: list[str]
    suffixes: list[str]

    @property
    def all(self) -> list[str]:
        """Every word; a query without any of them is not flagged."""
        return sorted({word for group in self for word in group})


AGES = "0?[1-9]|1[0-7]"
"""The ages of the lexicon as a regular expression."""


def fold(text: str) -> str:
    """Case and accents folded, and composed again as the tools have it."""
    flat = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in flat if unicodedata.category(letter)[0] != "M")
    return unicodedata.normalize("NFC", bare.casefold())


def load(path: Path) -> Words:
    """Read the lexicon."""
    topics = tomllib.loads(path.read_text(encoding="utf-8"))["topics"]
    groups = {
        name: {fold(w) for w in words} for name, words in topics["pedophile"]["groups"].items()
    }
    child, sex = groups["child"], groups["sex"]
    ages = topics["pedophile"]["ages"]
    assert (ages["minimum"], ages["maximum"]) == (1, 17), "AGES is written for 1 to 17"
    return Words(
        explicit=sorted(groups["explicit"]),
        child=sorted(child - sex),
        sex=sorted(sex - child),
        both=sorted(child & sex),
        parent=sorted(groups["family_parent"]),
        kin=sorted(groups["family_child"]),
        terms=sorted(fold(w) for w in topics["pornographic"]["groups"]["terms"]),
        suffixes=sorted(fold(w) for w in ages["suffixes"]),
    )
