"""The profile `paper` once more, from its description alone, to be compared query by query."""

from __future__ import annotations

import itertools
import tomllib
import unicodedata
from typing import Any


def words_of(text: str) -> list[str]:
    """Runs of letters and digits, without case and accents."""
    flat = unicodedata.normalize("NFKD", text.casefold()).casefold()
    kept = (letter for letter in flat if not unicodedata.category(letter).startswith("M"))
    return "".join(letter if letter.isalnum() else " " for letter in kept).split()


class PaperReference:
    """Every choice of words for every rule is tried."""

    def __init__(self, toml: str) -> None:
        [topic] = tomllib.loads(toml)["topics"].values()
        self._groups = {
            group: {words_of(entry)[0] for entry in entries if isinstance(entry, str)}
            for group, entries in topic["groups"].items()
        }
        self._ages: dict[str, Any] = topic["ages"]
        self._suffixes = {words_of(suffix)[0] for suffix in self._ages["suffixes"]}
        self._rules = [category["all"] for category in topic["categories"]]

    def category(self, text: str) -> int:
        """Number of the first category that is met, from 1; 0 when none is."""
        words = words_of(text)
        for number, parts in enumerate(self._rules, 1):
            places = [self._places(words, part) for part in parts]
            if any(
                sum(map(len, choice)) == len(set().union(*choice))
                for choice in itertools.product(*places)
            ):
                return number
        return 0

    def _places(self, words: list[str], part: str) -> list[set[int]]:
        places = []
        for group in part.split("|"):
            if group == "age":
                places += self._age_places(words)
            else:
                places += [{at} for at, word in enumerate(words) if word in self._groups[group]]
        return places

    def _age_places(self, words: list[str]) -> list[set[int]]:
        places = []
        for at, word in enumerate(words):
            digits = "".join(itertools.takewhile("0123456789".__contains__, word))
            if not 1 <= len(digits) <= 2:
                continue
            if not self._ages["minimum"] <= int(digits) <= self._ages["maximum"]:
                continue
            if word[len(digits) :] in self._suffixes:
                places.append({at})
            elif word == digits and at + 1 < len(words) and words[at + 1] in self._suffixes:
                places.append({at, at + 1})
        return places
