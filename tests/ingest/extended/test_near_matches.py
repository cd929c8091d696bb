"""Words that differ by one letter are found in the shadow, and nowhere else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.extended.age_search import find_words
from donkeywatch.ingest.extended.near_matches import NearMatches
from donkeywatch.ingest.extended.terms import lexicon_terms
from donkeywatch.ingest.lexicon_model import Lexicon
from support.extended_lexicon import DETECTOR, SHADOWED, categories_of

ENTRIES = ("zqimbalo", "zqimballo", "xkarnoqv")
LEXICON = Lexicon.model_validate(
    {
        "topics": {
            "first": {
                "groups": {"a": [{"word": word, "edit_distance": 1} for word in ENTRIES]},
                "categories": [{"id": "a", "all": ["a"]}],
            }
        }
    }
)
NEAR = NearMatches(lexicon_terms(LEXICON, with_edits=True))


def distance(word: str, other: str) -> int:
    """Levenshtein's distance, by the book."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(word, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


edits = st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from("zqimbalox"))


@given(st.sampled_from(ENTRIES), st.lists(edits, max_size=3))
def test_a_match_is_a_distance_of_one(word: str, changes: list[tuple[int, int, str]]) -> None:
    """Of every entry, and for each number of changes."""
    for kind, place, letter in changes:
        at = min(place, len(word))
        if kind == 0:
            word = word[:at] + letter + word[at:]
        elif kind == 1:
            word = word[:at] + word[at + 1 :]
        elif kind == 2:
            word = word[:at] + letter + word[at + 1 :]
    matched = {match.term.word for match in NEAR.matches(find_words(word))}
    assert matched == {entry for entry in ENTRIES if distance(word, entry) == 1}


def test_only_the_shadow_takes_words_that_differ() -> None:
    """The list in use compares what is written."""
    assert categories_of("zqimbxlo") == (None, None)
    codes = SHADOWED.classify_text("zqimbxlo")
    assert codes is not None
    names = {
        series.id: series.categories[code - 1]
        for series, code in zip(SHADOWED.topics, codes, strict=True)
        if code
    }
    assert names == {"first.shadow.extended": "only_sex.edited"}
    assert DETECTOR.classify_text("zqimbalo") == SHADOWED.classify_text("zqimbalo")[:4]  # type: ignore[index]


def test_long_words_are_no_trouble() -> None:
    """A word of 64 KiB is not compared."""
    assert list(NEAR.matches(find_words("zq" * 32768))) == []
