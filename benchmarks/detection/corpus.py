"""Labelled queries: rules of a word list met behind disguises, and searches that look alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from anyascii import anyascii

from detection.disguises import WORD_DISGUISES
from detection.scripts import SCRIPTS, Script, distinct_words

GROUPS = {"explicit": 6, "child": 6, "sex": 6}
"""Words of each script in each group."""
BACKGROUND_WORDS = 400
PHRASE, PREFIX, SUBSTRING = "phrase", "prefix", "substring"
MINIMUM, MAXIMUM = 1, 17
NUMBER_WORDS = 6
OTHER_KINDS = (
    "joined words", "phrase", "inside a longer word", "transliterated", "age in other digits",
    "age in words", "range of ages",
)  # fmt: skip
KINDS = (*WORD_DISGUISES, *OTHER_KINDS)
ORDINARY = "ordinary"
DIGITS = {
    "Arabic": 0x0660, "Devanagari": 0x0966, "Thai": 0x0E50, "Han": 0xFF10, "Katakana": 0xFF10,
}  # fmt: skip
"""Zero in the digits of a script; elsewhere those of mathematical bold type."""
BOLD_ZERO = 0x1D7CE


class Query(NamedTuple):
    """A search, whether it meets a rule, in which script and how it is disguised."""

    text: str
    relevant: bool
    script: str
    kind: str


@dataclass(frozen=True)
class Vocabulary:
    """The words of one script: those of the list by group, and those of ordinary searches."""

    script: Script
    groups: dict[str, tuple[str, ...]]
    phrases: tuple[str, ...]
    stems: tuple[str, ...]
    background: tuple[str, ...]
    suffixes: tuple[str, ...]
    number_words: dict[str, int]


class Corpus:
    """Everything is drawn from the seed; the same seed gives the same queries."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"detection {seed}")
        taken: set[str] = set()
        self.vocabularies = [self._vocabulary(script, taken) for script in SCRIPTS]

    def _vocabulary(self, script: Script, taken: set[str]) -> Vocabulary:
        rng = self._rng

        def entries(count: int) -> tuple[str, ...]:
            return distinct_words(count, lambda: script.word(rng, entry=True), taken)

        phrases = tuple(f"{a} {b}" for a, b in zip(entries(3), entries(3), strict=True))
        return Vocabulary(
            script,
            {group: entries(count) for group, count in GROUPS.items()},
            phrases,
            entries(4),
            distinct_words(BACKGROUND_WORDS, lambda: script.word(rng), taken),
            entries(2),
            dict(zip(entries(NUMBER_WORDS), range(9, 9 + NUMBER_WORDS), strict=True)),
        )

    def lexicon(self) -> str:
        """The word list, as TOML."""
        lines = ['title = "seeded nonsense for the corpus of detection"', "[topics.corpus.groups]"]
        for group in GROUPS:
            words = [f'"{word}"' for v in self.vocabularies for word in v.groups[group]]
            if group == "explicit":
                for v in self.vocabularies:
                    words += [_entry(text, PHRASE) for text in v.phrases]
                    inside = PREFIX if v.script.spaced else SUBSTRING
                    words += [_entry(stem, inside) for stem in v.stems]
            lines.append(f"{group} = [{', '.join(words)}]")
        suffixes = [f'"{word}"' for v in self.vocabularies for word in v.suffixes]
        numbers = [
            f'"{word}" = {n}' for v in self.vocabularies for word, n in v.number_words.items()
        ]
        lines += [
            "[topics.corpus.ages]",
            f"minimum = {MINIMUM}",
            f"maximum = {MAXIMUM}",
            f"suffixes = [{', '.join(suffixes)}]",
            f"number_words = {{ {', '.join(numbers)} }}",
        ]
        for name, parts in (
            ("explicit", ("explicit",)), ("child_sex", ("child", "sex")),
            ("age_sex", ("age", "sex|child")),
        ):  # fmt: skip
            quoted = ", ".join(f'"{part}"' for part in parts)
            lines += ["[[topics.corpus.categories]]", f'id = "{name}"', f"all = [{quoted}]"]
        return "\n".join(lines) + "\n"

    def queries(self, count: int) -> Iterator[Query]:
        """Half of them relevant, each kind of disguise and each script as often as it can be."""
        relevant = 0
        for number in range(count):
            vocabulary = self.vocabularies[number % len(self.vocabularies)]
            if number // len(self.vocabularies) % 2:
                yield Query(self._ordinary(vocabulary), False, vocabulary.script.name, ORDINARY)
                continue
            kind = KINDS[relevant // len(self.vocabularies) % len(KINDS)]
            while (text := self._relevant(vocabulary, kind)) is None:
                kind = self._rng.choice(KINDS)
            yield Query(text, True, vocabulary.script.name, kind)
            relevant += 1

    def _pick(self, vocabulary: Vocabulary, group: str) -> str:
        return self._rng.choice(vocabulary.groups[group])

    def _with_background(self, vocabulary: Vocabulary, parts: list[str]) -> str:
        parts = parts + self._rng.choices(vocabulary.background, k=self._rng.randrange(3))
        self._rng.shuffle(parts)
        return " ".join(parts)

    def _relevant(self, vocabulary: Vocabulary, kind: str) -> str | None:
        if kind in WORD_DISGUISES:
            group = self._rng.choice(("explicit", "child"))
            word = WORD_DISGUISES[kind](self._rng, self._pick(vocabulary, group))
            if word is None:
                return None
            rest = [] if group == "explicit" else [self._pick(vocabulary, "sex")]
            return self._with_background(vocabulary, [word, *rest])
        if kind == "joined words":
            return self._with_background(
                vocabulary, [self._pick(vocabulary, "child") + self._pick(vocabulary, "sex")]
            )
        if kind == "phrase":
            phrase = self._rng.choice(vocabulary.phrases)
            joiner = self._rng.choice((" ", "  ", "-", "_", ", "))
            return self._with_background(vocabulary, [phrase.replace(" ", joiner)])
        if kind == "inside a longer word":
            return self._with_background(vocabulary, [self._longer_word(vocabulary)])
        if kind == "transliterated":
            word = self._pick(vocabulary, "explicit")
            written = "".join(filter(str.isalnum, anyascii(word).lower()))
            return None if word.isascii() else self._with_background(vocabulary, [written])
        return self._with_background(
            vocabulary, [self._age(vocabulary, kind), self._pick(vocabulary, "sex")]
        )

    def _longer_word(self, vocabulary: Vocabulary) -> str:
        stem = self._rng.choice(vocabulary.stems)
        longer = stem + self._rng.choice(vocabulary.background)
        if vocabulary.script.spaced:
            return longer
        return self._rng.choice(vocabulary.background) + longer

    def _age(self, vocabulary: Vocabulary, kind: str) -> str:
        rng, suffix = self._rng, self._rng.choice(vocabulary.suffixes)
        number = rng.randint(MINIMUM, MAXIMUM)
        gap = rng.choice(("", " "))
        if kind == "age in words":
            return rng.choice(tuple(vocabulary.number_words)) + gap + suffix
        if kind == "range of ages":
            return f"{number}-{rng.randint(number, MAXIMUM)}{gap}{suffix}"
        zero = DIGITS.get(vocabulary.script.name, BOLD_ZERO)
        return "".join(chr(zero + int(digit)) for digit in str(number)) + gap + suffix

    def _ordinary(self, vocabulary: Vocabulary) -> str:
        """An ordinary search, or one that has a part of what a rule asks for."""
        rng, words = self._rng, vocabulary.background
        several = rng.choices(words, k=rng.choice((1, 2, 2, 3, 4, 6)))
        case = rng.randrange(12)
        if case == 0:
            return self._with_background(vocabulary, [self._pick(vocabulary, "sex")])
        if case == 1:
            return self._with_background(vocabulary, [self._pick(vocabulary, "child")])
        if case == 2:
            shorter = self._pick(vocabulary, "explicit")[:-1]
            every = {entry for group in vocabulary.groups.values() for entry in group}
            return self._with_background(vocabulary, [] if shorter in every else [shorter])
        if case == 3:
            age = f"{rng.choice((0, 18, 45, 112, 1999))}{rng.choice(vocabulary.suffixes)}"
            return self._with_background(vocabulary, [age, self._pick(vocabulary, "sex")])
        if case == 4:
            return " ".join((*several, rng.choice(("1080p", "x264", "mp3", "2010", "s01e12"))))
        if case == 5:
            return rng.choice((".", "-", "_")).join(several)
        if case == 6:
            return " ".join(rng.choice(words))
        if case == 7:
            return " ".join((f"{rng.randint(1, 17)}", self._pick(vocabulary, "sex"), *several))
        if case == 8:
            return "".join(several[:2]) + str(rng.randrange(3000))
        return " ".join(several)


def _entry(word: str, match: str) -> str:
    """An entry that may stand elsewhere than as a whole word."""
    return f'{{ word = "{word}", match = "{match}" }}'
