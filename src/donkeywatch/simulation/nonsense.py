"""Seeded pseudo-words that belong to no language: a lexicon, and searches whose truth is known."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

COMPARISON = ("sex", "porno", "anal", "xxx", "porn")
GROUPS = {"explicit": 0.4, "child": 0.2, "sex": 0.2, "family_parent": 0.1, "family_child": 0.1}
CATEGORIES = {
    "explicit": ("explicit",),
    "child_sex": ("child", "sex"),
    "family_sex": ("family_parent", "family_child", "sex"),
    "age_sex": ("age", "sex|child"),
}
# The lexicon's clusters use letters (z, q, x) and runs that no background word ever holds.
_LEXICON = (
    ("kmtvgnrhfj", "aeiou", ("zq", "qv", "xk")),
    ("\u043a\u043c\u0442", "\u0430\u043e\u0451", ("\u044a\u044b\u044a", "\u044b\u044a\u044b")),
    ("\u03ba\u03bc\u03c4", "\u03b1\u03bf\u03b5", ("\u03be\u03c8\u03be", "\u03c8\u03be\u03c8")),
)
_BACKGROUND = (
    ("kmtvgnrhfj", "aeiou", ("gjv", "hmk", "wfr", "kvh", "jtm", "vgn", "rkf")),
    ("kmtvgnrhfj", "\u00e9\u00fc\u00f4\u00e3\u00e7", ("gjv", "hmk", "wfr", "kvh", "jtm")),
    ("\u043a\u043c\u0442\u0433", "\u0430\u043e\u0438", ("\u0436\u0444\u0445", "\u0446\u0433")),
    ("\u03ba\u03bc\u03c4\u03b3", "\u03b1\u03bf\u03ac", ("\u03b8\u03c6\u03c7", "\u03b3\u03b8")),
)
_ACCENTS = str.maketrans("aeiou", "\u00e0\u00e9\u00ef\u00f4\u00fc")
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_HOSTILE = (
    '{}"),TEXT("{}', '{}" search from 10.9.9.9:4662 "{}', "{}\n{}", "{}\t{}", "{}\x1b[31m{}",
    "{}\x00{}", "{}\u2028{}", "{}\\{}", "<{}>&{};", "%s{}%d{}", '{{"query":"{}"}} {}', "{}\\xe9{}",
    '{}\n2026-01-01T00:00:00.000Z\tDEBUG\t[module=tcp] tcp payload parsed remote=10.9.9.9 '
    'opcode=OP_SEARCHREQUEST expr=TEXT("{}")', "{}\r\n1767225600.000\t10.9.9.9\t{}",
)  # fmt: skip


@dataclass(frozen=True)
class NonsenseLexicon:
    """A generated lexicon: groups of words, and numeric ages with their suffixes."""

    seed: int
    groups: dict[str, tuple[str, ...]]
    suffixes: tuple[str, ...]
    minimum: int = 1
    maximum: int = 17

    def toml(self) -> str:
        """Return the lexicon as the TOML file that a detector loads."""
        lines = [f'title = "seeded nonsense, seed {self.seed}"', "[topics.pedophile.groups]"]
        lines += [f"{name} = {_array(words)}" for name, words in self.groups.items()]
        lines += ["[topics.pedophile.ages]", f"minimum = {self.minimum}"]
        lines += [f"maximum = {self.maximum}", f"suffixes = {_array(self.suffixes)}"]
        for name, parts in CATEGORIES.items():
            lines += ["[[topics.pedophile.categories]]", f'id = "{name}"', f"all = {_array(parts)}"]
        lines += ["[topics.pornographic.groups]", f"terms = {_array(COMPARISON)}"]
        lines += ["[[topics.pornographic.categories]]", 'id = "terms"', 'all = ["terms"]']
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Phrase:
    """One search as typed, with the categories it must be given.

    `words` are joined by `joiner`; `excluded` were excluded by the client and do not count.
    """

    words: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    pedophile: str | None = None
    pornographic: str | None = None
    joiner: str = " "
    lead: str = ""
    codec: str = "utf-8"
    filters: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the words as one text, without what was excluded."""
        return self.lead + self.joiner.join(self.words)


def _array(words: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def tokens(text: str) -> list[str]:
    """Return the folded tokens of a text: no case, no accents, split at all but letters, digits."""
    flat = unicodedata.normalize("NFKD", text.casefold())
    kept = (c for c in flat if unicodedata.category(c)[0] != "M")
    return "".join(c if c.isalnum() else " " for c in kept).split()


def _word(rng: Random, script: tuple[str, str, tuple[str, ...]], longer: float) -> str:
    onsets, vowels, clusters = script
    word = rng.choice(onsets) + rng.choice(vowels) + rng.choice(clusters) + rng.choice(vowels)
    while rng.random() < longer:
        word += rng.choice(onsets) + rng.choice(vowels)
    return word


def _distinct(make: Callable[[], str], count: int, taken: set[str]) -> tuple[str, ...]:
    words: list[str] = []
    while len(words) < count:
        word = make()
        if (key := "".join(tokens(word))) not in taken:
            taken.add(key)
            words.append(word)
    return tuple(words)


def _lexicon_word(rng: Random) -> str:
    script = rng.choices(_LEXICON, (93, 4, 3))[0]
    word = _word(rng, script, 0.6)
    return word.translate(_ACCENTS) if rng.random() < 0.12 else word


def lexicon(seed: int, terms: int = 300) -> NonsenseLexicon:
    """Return a lexicon of about `terms` nonsense words, the same for the same arguments."""
    rng = Random(f"lexicon {seed} {terms}")
    taken: set[str] = set()
    endings = ("y", "u", "uk", "zq")
    suffixes = _distinct(lambda: rng.choice(_LEXICON[0][2]) + rng.choice(endings), 6, taken)
    groups = {
        name: _distinct(lambda: _lexicon_word(rng), max(4, round(terms * share)), taken)
        for name, share in GROUPS.items()
    }
    # Words of two groups at once make "different tokens" matter: one alone is no match.
    groups["sex"] += groups["child"][:2]
    return NonsenseLexicon(seed, groups, suffixes)


def filler_words(seed: int, size: int = 1500) -> tuple[tuple[str, ...], ...]:
    """Return words for ordinary searches by script: Latin, accented, Cyrillic, Greek, Han."""
    rng = Random(f"background {seed}")
    taken: set[str] = set()

    def han() -> str:
        # CJK extension A: letters all right, but of no word that is in use.
        return "".join(chr(0x3400 + rng.randrange(1500)) for _ in range(rng.randint(2, 3)))

    scripts = [_distinct(partial(_word, rng, s, 0.4), size, taken) for s in _BACKGROUND]
    return (*scripts, _distinct(han, size, taken))


class PhraseGenerator:
    """Draws searches of every kind; each method returns one whose truth holds by construction."""

    def __init__(self, seed: int, words: NonsenseLexicon) -> None:
        """Prepare draws for a seed and a lexicon."""
        self._rng = Random(f"phrases {seed}")
        self._lexicon = words
        self._scripts = filler_words(seed)

    def ordinary(self) -> Phrase:
        """Return a search without any word of the lexicon; some are hostile to parsers."""
        rng = self._rng
        script = self._scripts[rng.choices(range(5), (78, 9, 5, 4, 4))[0]]
        words = rng.choices(script, k=rng.choices((1, 2, 3, 4, 6), (25, 40, 20, 10, 5))[0])
        if rng.random() < 0.1:
            words.append(str(rng.choice((3, 7, 12, 16, 1080, 2010))))
        if rng.random() < 0.02:
            words = [rng.choice(_HOSTILE).format(words[0], rng.choice(script))]
        return self._styled(Phrase(tuple(words)))

    def flagged(self, comparison: bool = False) -> Phrase:
        """Return a search of topic pedophile, with a comparison term too if asked."""
        category = self._rng.choices(tuple(CATEGORIES), (35, 25, 10, 30))[0]
        words = getattr(self, f"_{category}")()
        if comparison:
            words.append([self._rng.choice(COMPARISON)])
        topic = "terms" if comparison else None
        return self._finish(words, Phrase((), pedophile=category, pornographic=topic))

    def comparison(self) -> Phrase:
        """Return a search of topic pornographic only."""
        return self._finish([[self._rng.choice(COMPARISON)]], Phrase((), pornographic="terms"))

    def near_miss(self) -> Phrase:
        """Return a search that looks like a flagged one and is not."""
        rng, pick = self._rng, self._pick
        suffix, number = rng.choice(self._lexicon.suffixes), str(rng.randint(1, 17))
        outside = str(rng.choice((0, 18, 19, 45, 99, 100, 1999)))
        ordinary = rng.choice(self._scripts[0])
        cases: list[tuple[list[list[str]], Phrase]] = [
            ([[pick("sex")]], Phrase(())),
            ([[pick("child")]], Phrase(())),
            ([[self._lexicon.groups["child"][rng.randrange(2)]]], Phrase(())),
            ([[pick("family_parent")], [pick("sex", 2)]], Phrase(())),
            ([[pick("family_parent")], [pick("family_child")]], Phrase(())),
            ([self._age()], Phrase(())),
            ([self._age(), [pick("family_child")]], Phrase(())),
            ([[number, pick("sex")]], Phrase(())),
            ([[suffix, pick("child")]], Phrase(())),
            ([[suffix, number, pick("sex")]], Phrase(())),
            ([[outside + suffix], [pick("sex")]], Phrase(())),
            ([[outside, suffix], [pick("child")]], Phrase(())),
            ([[pick("explicit") + ordinary]], Phrase(())),
            ([[rng.choice(COMPARISON) + ordinary]], Phrase(())),
            ([[ordinary]], Phrase((), excluded=(pick("explicit"),))),
            ([[pick("sex", 2)]], Phrase((), excluded=(pick("child"), ordinary))),
            ([[ordinary]], Phrase((), excluded=(rng.choice(COMPARISON),))),
            ([[ordinary]], Phrase((), filters=(pick("explicit"),))),
        ]
        words, phrase = rng.choice(cases)
        return self._finish(words, phrase)

    def _pick(self, group: str, spare: int = 0) -> str:
        words = self._lexicon.groups[group]
        return self._rng.choice(words[: len(words) - spare])

    def _age(self) -> list[str]:
        number = str(self._rng.randint(self._lexicon.minimum, self._lexicon.maximum))
        suffix = self._rng.choice(self._lexicon.suffixes)
        forms = ([number + suffix], [f"{number} {suffix}"], [number, suffix])
        return list(self._rng.choice(forms))

    def _explicit(self) -> list[list[str]]:
        extra = [[self._pick(self._rng.choice(("child", "sex")))]]
        return [[self._pick("explicit")], *(extra if self._rng.random() < 0.3 else [])]

    def _child_sex(self) -> list[list[str]]:
        extra = [self._age()] if self._rng.random() < 0.2 else []
        return [[self._pick("child")], [self._pick("sex", 2)], *extra]

    def _family_sex(self) -> list[list[str]]:
        extra = [self._age()] if self._rng.random() < 0.2 else []
        kin = [[self._pick("family_parent")], [self._pick("family_child")]]
        return [*kin, [self._pick("sex")], *extra]

    def _age_sex(self) -> list[list[str]]:
        return [self._age(), [self._pick(self._rng.choice(("sex", "child")))]]

    def _finish(self, units: list[list[str]], phrase: Phrase) -> Phrase:
        rng = self._rng
        units = units + [[w] for w in rng.choices(self._scripts[0], k=rng.randrange(3))]
        rng.shuffle(units)
        words = tuple(word for unit in units for word in unit)
        return self._styled(replace(phrase, words=words))

    def _styled(self, phrase: Phrase) -> Phrase:
        rng = self._rng
        if rng.random() < 0.15:
            phrase = replace(phrase, joiner=rng.choice(("-", "_", ".", "  ", ", ", " & ")))
        if rng.random() < 0.02:
            phrase = replace(phrase, lead="\ufeff")
        styles: tuple[Callable[[str], str], ...] = (
            str.upper,
            str.title,
            lambda w: unicodedata.normalize("NFD", w),
            lambda w: w.translate(_WIDE),
            lambda w: w.translate(_ACCENTS),
        )
        if rng.random() < 0.3:
            style = rng.choices(styles, (25, 25, 35, 2, 13))[0]
            styled = replace(phrase, words=tuple(style(word) for word in phrase.words))
            phrase = styled if tokens(styled.text()) == tokens(phrase.text()) else phrase
        return _fallback(phrase) if rng.random() < 0.4 else phrase


def _fallback(phrase: Phrase) -> Phrase:
    """Use the single-byte encoding of old clients, where it cannot be mistaken for UTF-8."""
    try:
        phrase.text().encode("cp1252").decode("utf-8")
    except UnicodeEncodeError:
        return phrase
    except UnicodeDecodeError:
        return replace(phrase, codec="cp1252")
    return phrase
