"""Prepared searches with a known truth, each written the way `tsv` and `enode-go` write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from donkeywatch.simulation.log_formats import Objects, go_quoted
from donkeywatch.simulation.nonsense import NonsenseLexicon, Phrase, PhraseGenerator, filler_words
from donkeywatch.simulation.truth import TOPICS

Longs: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

FORMATS = ("tsv", "enode-go")
PHRASE_BYTES = 15
"""Bytes of a query above which it is drawn less often, so that lines have 56 bytes in the mean."""
CHAINED = 0.4
"""Share of searches that eNode-go logs as a chain of ANDs, a word each."""


class Stock:
    """Searches of four kinds: ordinary, nearly flagged, and flagged in one topic or in both.

    A search in a log is head, an extra word that changes nothing (`more`), and tail. Each
    character of these strings is one byte.
    """

    def __init__(self, seed: int, words: NonsenseLexicon, size: int) -> None:
        draw, rng = PhraseGenerator(seed, words), Random(f"speed {seed}")
        few = max(100, size // 20)
        kinds = (
            [_short(draw.ordinary, rng) for _ in range(size)],
            [_utf8(draw.near_miss()) for _ in range(few)],
            [_utf8(draw.flagged()) for _ in range(few)],
            [_utf8(draw.comparison()) for _ in range(few)],
            [_utf8(draw.flagged(comparison=True)) for _ in range(few)],
        )
        phrases = [phrase for kind in kinds for phrase in kind]
        self.sizes: Longs = np.array([len(kind) for kind in kinds])
        self.starts: Longs = np.cumsum(self.sizes) - self.sizes
        self.flagged: dict[str, Bools] = {
            topic: np.array([getattr(phrase, topic) is not None for phrase in phrases])
            for topic in TOPICS
        }
        self.wide: Bools = np.array([not phrase.text().isascii() for phrase in phrases])
        chains = [rng.random() < CHAINED for _ in phrases]
        self.heads: dict[str, Objects] = {}
        self.tails: dict[str, Objects] = {}
        for name in FORMATS:
            pairs = [_rendered(name, *pair) for pair in zip(phrases, chains, strict=True)]
            self.heads[name] = np.array([head for head, _ in pairs], dtype=object)
            self.tails[name] = np.array([tail for _, tail in pairs], dtype=object)
        plain = filler_words(seed)[0]
        # Two searches of three are as they stand.
        self.more: Objects = np.array([""] * 2 * len(plain) + [f" {w}" for w in plain], object)


def _short(ordinary: Callable[[], Phrase], rng: Random) -> Phrase:
    while True:
        phrase = _utf8(ordinary())
        if rng.random() < (PHRASE_BYTES / max(PHRASE_BYTES, len(phrase.text().encode()))) ** 3:
            return phrase


def _utf8(phrase: Phrase) -> Phrase:
    """As UTF-8: not every tool reads a log of two encodings, and that is not the question here."""
    return replace(phrase, codec="utf-8")


def _rendered(name: str, phrase: Phrase, chained: bool) -> tuple[str, str]:
    if name == "tsv":
        return "\t" + _bytes(_flat(phrase.text())), "\n"
    head, tail = ' opcode=OP_SEARCHREQUEST expr=TEXT("', '")\n'
    texts = [phrase.lead + phrase.words[0], *phrase.words[1:]] if chained else [phrase.text()]
    leaves = [go_quoted(_flat(text).encode()) for text in texts]
    head = head.replace("TEXT", "AND(" * (len(leaves) - 1) + "TEXT")
    if len(leaves) > 1:
        tail = '"))\n'
    return head + '"),TEXT("'.join(leaves[:2]) + _links(leaves[2:]), tail


def _links(leaves: list[str]) -> str:
    return "".join(f'")),TEXT("{leaf}' for leaf in leaves)


def _flat(text: str) -> str:
    """Without what would end a field or a line of `tsv`: both formats hold the same searches."""
    return text.translate({9: " ", 10: " ", 13: " "})


def _bytes(text: str) -> str:
    return text.encode().decode("latin-1")
