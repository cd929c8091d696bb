"""The detector equals a plain search over all permutations, and its words tell as much."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import permutations, product
from types import FrameType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.lexicon_model import Lexicon, TopicRules
from donkeywatch.ingest.normalisation import fold, fold_spaced, tokenise

LEXICON = Lexicon.model_validate(
    {
        "topics": {
            "one": {
                "groups": {
                    "plain": ["zqorv", "Qv\u00e9lt"],
                    "child": ["xkuzq", "vzqat", "zqo12"],
                    "other": ["xkuzq", "\u03be\u03c8\u03be\u03b1", "nqzuk"],
                    "parent": ["tzqik", "vzqat", "zqu"],
                },
                "ages": {"minimum": 0, "maximum": 15, "suffixes": ["zqu", "\u00fdz", "99"]},
                "categories": [
                    {"id": "plain", "all": ["plain"]},
                    {"id": "two", "all": ["child", "other"]},
                    {"id": "three", "all": ["parent", "child", "other"]},
                    {"id": "age", "all": ["age", "other|child"]},
                    {"id": "ages", "all": ["age", "age", "parent"]},
                ],
            },
            "two": {
                "groups": {"terms": ["sex", "porno", "anal", "xxx", "porn"]},
                "categories": [{"id": "terms", "all": ["terms"]}],
            },
        }
    }
)
DETECTOR = Detector(LEXICON, "hyperscan")
REFERENCE = Detector(LEXICON, "pyahocorasick")
ONE, TWO = LEXICON.topics.values()
assert ONE.ages is not None
NUMBERLESS = Detector(
    Lexicon(
        topics={
            "one": ONE.model_copy(
                update={"ages": ONE.ages.model_copy(update={"suffixes": ("zqu", "\u00fdz")})}
            ),
            "two": TWO,
        }
    )
)
"""The same without a number among the words."""
VOCABULARY = (
    "zqorv", "QVELT", "qv\u00e9lt", "xkuzq", "XK\u00dcZQ", "vzqat", "zqo12",
    "\u03be\u03c8\u03be\u03b1", "\u039e\u03a8\u039e\u0391",
    "nqzuk", "tzqik", "zqu", "yz", "99", "0", "00", "7", "07", "15", "16", "007", "12zqu", "3yz",
    "03\u00fdz", "16zqu",
    "1299", "7\uff59z", "\uff11\uff12zqu", "12", "sex", "sexy", "porno", "jazz", "zqorvs", "a",
    "_", "xxx", "\u216b",
)  # fmt: skip
queries = st.lists(st.sampled_from(VOCABULARY), max_size=7).flatmap(
    lambda words: st.sampled_from((" ", "-", "_", " & ", ", ", "\ufeff")).map(
        lambda joiner: joiner.join(words)
    )
)


def meets(topic: TopicRules, part: str, run: Sequence[str]) -> bool:
    """Does a run of one or two neighbouring tokens meet a part, all of it being needed?"""
    for group in part.split("|"):
        if group != "age":
            folded = {tokenise(word)[0] for word in topic.whole_words(group)}
            if len(run) == 1 and run[0] in folded:
                return True
            continue
        assert topic.ages is not None
        ages = range(topic.ages.minimum, topic.ages.maximum + 1)
        written = {form for n in ages for form in (str(n), f"{n:02d}")}
        suffixes = {tokenise(word)[0] for word in topic.ages.suffixes}
        if len(run) == 1 and any(
            run[0] == n + s and not s[0].isdigit() for n, s in product(written, suffixes)
        ):
            return True
        if len(run) == 2 and run[0] in written and run[1] in suffixes:
            return True
    return False


def naive(topic: TopicRules, query: Sequence[str]) -> int:
    """The first category of which every part has tokens of its own, by trying all orders."""
    places = range(len(query))
    runs = [(i,) for i in places] + [(i, i + 1) for i in places[:-1]]
    for number, category in enumerate(topic.categories, 1):
        for chosen in permutations(runs, len(category.all)):
            used = [i for run in chosen for i in run]
            if len(set(used)) == len(used) and all(
                meets(topic, part, [query[i] for i in run])
                for part, run in zip(category.all, chosen, strict=True)
            ):
                return number
    return 0


@given(queries)
def test_codes_equal_a_search_over_all_permutations(query: str) -> None:
    """Every category is met by different tokens, and the first one wins."""
    result = tokenise(query)
    expected = tuple(naive(topic, result) for topic in LEXICON.topics.values())
    assert DETECTOR.classify(result) == expected


def classified(detector: Detector, query: str) -> tuple[int, ...] | None:
    """What the words found in one of three lines tell of it: its codes; None when unsure."""
    lines = fold_spaced(f" 7\n {query} \n zqu \n").encode("utf-8", "surrogatepass")
    data = np.frombuffer(lines, np.uint8)
    feeds = np.flatnonzero(data == ord("\n"))
    end, word = detector.sieve.hits(data)
    line = np.searchsorted(feeds, end)
    text = np.append(0, feeds + 1)[line]
    items, codes, sure = detector.classify_hits(line, detector.resolve_ages(data, text, end, word))
    ours = np.flatnonzero(items == 1).tolist()
    assert len(ours) <= 1
    if not ours:
        return (0,) * len(detector.topics)
    return tuple(codes[:, ours[0]].tolist()) if sure[ours[0]] else None


@pytest.mark.untraced
@given(queries | st.text(max_size=30))
def test_the_words_found_tell_the_codes(query: str) -> None:
    """Where a number is a word itself, only ages need the exact function."""
    query = query.replace("\n", " ")
    for detector in (DETECTOR, REFERENCE):
        expected = detector.classify(tokenise(query))
        aged = any(suffix in fold(query) for suffix in ("zqu", "yz", "99"))
        assert classified(detector, query) in ((expected, None) if aged else (expected,))


@given(queries | st.text(max_size=30))
def test_the_number_before_a_word_tells_an_age(query: str) -> None:
    """Only behind several separators is it left to the exact function."""
    query = query.replace("\n", " ")
    expected = NUMBERLESS.classify(tokenise(query))
    separate = "  " in fold_spaced(query)
    assert classified(NUMBERLESS, query) in ((expected, None) if separate else (expected,))


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("12 zqu nqzuk", (4, 0)), ("07_ZQU nqzuk", (4, 0)), ("7 zqu", (0, 0)),
        ("x\u00e9 12 zqu nqzuk", (4, 0)), ("3 zqu tzqik 4 yz", (5, 0)), ("a7 zqu nqzuk", (0, 0)),
        ("112 zqu nqzuk", (0, 0)), ("16 zqu nqzuk", (0, 0)), ("zqu nqzuk", (0, 0)),
        ("12  zqu nqzuk", None), ("1\u00b2 yz nqzuk", (4, 0)), ("12 . zqu nqzuk", None),
        ("\u0661 zqu nqzuk", (0, 0)), ("12 zqu 3 zqu zqu", (5, 0)), ("12zqu nqzuk", (4, 0)),
    ],
)  # fmt: skip
def test_what_stands_before_a_word_of_ages(query: str, codes: tuple[int, ...] | None) -> None:
    """A number of one or two digits that is a token, in the same line, one separator away."""
    assert classified(NUMBERLESS, query) == codes
    assert codes in (None, NUMBERLESS.classify(tokenise(query)))


def topic_of(query: str) -> tuple[int, ...]:
    """Codes of a query."""
    return DETECTOR.classify(tokenise(query))


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("zqorv", (1, 0)), ("ZQ\u00d6RV", (1, 0)), ("zqorvs", (0, 0)), ("xkuzq", (0, 0)),
        ("xkuzq xkuzq", (2, 0)), ("xkuzq nqzuk", (2, 0)), ("nqzuk vzqat", (2, 0)),
        ("vzqat", (0, 0)), ("vzqat xkuzq", (2, 0)), ("tzqik vzqat nqzuk", (2, 0)),
        ("12zqu nqzuk", (4, 0)), ("12 zqu nqzuk", (4, 0)), ("zqu 12 nqzuk", (0, 0)),
        ("16zqu nqzuk", (0, 0)), ("012zqu nqzuk", (0, 0)), ("00zqu nqzuk", (4, 0)),
        ("7 zqu zqu", (0, 0)), ("7 zqu 8zqu zqu", (5, 0)), ("12 99 xkuzq", (4, 0)),
        ("1299 xkuzq", (0, 0)), ("porn", (0, 1)), ("zqorv porn", (1, 1)), ("pornographic", (0, 0)),
        ("zqorv xkuzq nqzuk", (1, 0)), ("", (0, 0)),
    ],
)  # fmt: skip
def test_examples(query: str, codes: tuple[int, ...]) -> None:
    """One token never meets two parts, and whole tokens are compared."""
    assert topic_of(query) == codes


def test_headings_hold_ids_only() -> None:
    """What the rest of the program knows of the lexicon."""
    assert [(t.id, t.categories) for t in DETECTOR.topics] == [
        ("one", ("plain", "two", "three", "age", "ages")),
        ("two", ("terms",)),
    ]


class Slow(Exception):
    """It took too long."""


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Slow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_long_query_of_lexicon_words_costs_little() -> None:
    """One line of 64 KiB from one client cannot hold up the log for minutes."""
    query = ["tzqik"] * 5_000 + ["zqo12"] * 5_000
    with limit(1.0):
        assert DETECTOR.classify(query) == (0, 0)


def test_a_long_ordinary_query_costs_little() -> None:
    """A query of 30,000 words that meet nothing is read in one pass."""
    with limit(2.0):
        assert DETECTOR.classify(["jazz"] * 30_000) == (0, 0)
