"""The numbers of categories with their evidence, and the names of series."""

from __future__ import annotations

from donkeywatch.counting.checkpoint_batch import TopicInfo
from donkeywatch.ingest.extended.evidence import (
    EXACT,
    LEVELS,
    MAX_CATEGORIES,
    all_series,
    base_topic,
    codes_of_exact,
    pack_code,
)


def test_a_code_names_its_category_and_level() -> None:
    """Every pair has a number of its own, that fits a byte and is its place in the series."""
    topic = TopicInfo("topic", tuple(f"c{n}" for n in range(MAX_CATEGORIES)))
    _, series = all_series((topic,), ("paper", "extended"))
    codes = {
        pack_code(category, level): f"c{category - 1}.{name}"
        for category in range(1, MAX_CATEGORIES + 1)
        for level, name in enumerate(LEVELS)
    }
    assert sorted(codes) == list(range(1, MAX_CATEGORIES * len(LEVELS) + 1))
    assert max(codes) <= 255
    assert [codes[n] for n in sorted(codes)] == list(series.categories)
    assert codes_of_exact(2) == [0, pack_code(1, EXACT), pack_code(2, EXACT)]


def test_series_by_profile() -> None:
    """Those of `paper` keep their names and come first."""
    topics = (TopicInfo("one", ("c",)), TopicInfo("two", ("c",)))
    assert all_series(topics, ("paper",)) == topics
    names = [series.id for series in all_series(topics, ("paper", "extended"))]
    assert names == ["one", "two", "one.extended", "two.extended"]
    assert [base_topic(name) for name in names] == ["one", "two", "one", "two"]
    assert [series.profile for series in all_series(topics, ("paper", "extended"))] == [
        "", "", "extended", "extended",
    ]  # fmt: skip
