"""A review tells of rules, overlaps and changes by place and count, and names no entry."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.ingest.lexicon_review import (
    GroupChanges,
    compare,
    compare_rules,
    count_groups,
    find_remarks,
    unreachable_categories,
)

WORDS = {"a": ["zqa", "zqb"], "b": ["xka", "xkb"], "c": ["qva", "qvb"]}


def lexicon(groups: dict[str, Any], rules: list[list[str]], **more: Any) -> Lexicon:
    """A list of one topic with these rules."""
    categories = [{"id": f"c{n}", "all": parts} for n, parts in enumerate(rules)]
    topic = {"groups": groups, "categories": categories, **more}
    return Lexicon.model_validate({"topics": {"first": topic}})


def test_groups_are_counted_by_language_and_place() -> None:
    """In the order of the list."""
    words = ["zqa", {"word": "zqb", "language": "xx"}, {"word": "zqab", "match": "prefix"}]
    [counts] = count_groups(lexicon({"a": words}, [["a"]]).topics["first"])
    assert (counts.group, counts.entries) == ("a", 3)
    assert counts.languages == {"und": 2, "xx": 1}
    assert counts.matches == {"prefix": 1, "word": 2}


part = st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True).map("|".join)
rules = st.lists(st.lists(part, min_size=1, max_size=3), min_size=1, max_size=4)


@given(rules)
def test_a_category_that_is_unreachable_is_given_to_no_query(rules: list[list[str]]) -> None:
    """Of all queries of up to four words of the list."""
    words = lexicon(WORDS, rules)
    detector = Detector(words)
    unreachable = {name for name, _ in unreachable_categories(words.topics["first"])}
    every = [word for group in WORDS.values() for word in group[:1] * 2]
    given_to = set()
    for chosen in range(1 << len(every)):
        query = [word for at, word in enumerate(every) if chosen >> at & 1]
        [code] = detector.classify(query)
        if code:
            given_to.add(f"c{code - 1}")
    assert not unreachable & given_to


def test_remarks_name_places_and_counts_alone() -> None:
    """Overlaps, look-alikes, entries that an exception names, and those `paper` leaves out."""
    groups = {"a": ["zqa", "zqol"], "b": ["zqa", "zq0i", {"word": "xkab", "match": "prefix"}]}
    more = {"exceptions": [{"words": ["zqol"], "reason": "a town"}]}
    remarks = list(find_remarks(lexicon(groups, [["a"], ["a", "b"]], **more)))
    assert remarks == [
        "first: category c1 is never given; every query of it is one of c0",
        "first: one word in more than one group",
        "first: 2 words with the same letter classes as another",
        "first: one word that an exception names, which `extended` ignores",
        "first: one entry that only `extended` compares",
    ]
    assert not any(word in " ".join(remarks) for word in ("zqa", "zqol", "zq0i", "xkab"))


def test_two_lists_are_compared_by_group() -> None:
    """Entries that fold to the same word are the same."""
    old = lexicon({"a": ["zqa", "zqb"], "b": ["xka"]}, [["a"]])
    new = lexicon({"a": ["ZQA", "zqc"], "b": ["xka"], "c": ["qva"]}, [["a", "b"]])
    assert compare(old, new) == [
        GroupChanges("first", "a", 1, 1, 1),
        GroupChanges("first", "c", 1, 0, 0),
    ]
    assert compare_rules(old, new) == ["first: categories differ"]
    assert (compare(old, old), compare_rules(old, old)) == ([], [])
    renamed = Lexicon.model_validate({"topics": {"second": old.topics["first"]}})
    assert compare_rules(old, renamed) == ["first: gone", "second: new"]
