"""The series of `extended` beside those of `paper`, through engine, database and what is shown."""

from __future__ import annotations

import sqlite3
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import HOUR
from donkeywatch.errors import ConfigError
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.extended.evidence import MAX_CATEGORIES
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.publish.snapshot import Snapshots
from runtime.stepped_log import LEXICON, MONDAY, SteppedLog
from support.extended_lexicon import categories_of

SERIES = ("first", "second", "first.extended", "second.extended")


def test_both_profiles_are_counted_exactly(tmp_path: Path) -> None:
    """Every closed hour: queries, addresses and categories of both, by brute force."""
    log = SteppedLog(tmp_path, '["paper", "extended"]')
    log.run(MONDAY + 4 * HOUR, 1)
    with Snapshots(log.state, SERIES).open() as snapshot:
        views = snapshot.windows_between("hour", MONDAY, MONDAY + 3 * HOUR)
    assert len(views) == 3
    detector = Detector(
        Lexicon.model_validate(tomllib.loads(LEXICON)),
        profiles=("paper", "extended"),
    )
    for view in views:
        lines = [line for line in log.written if view.start <= line[0] < view.end]
        assert view.queries == len(lines)
        codes = [(address, detector.classify_text(query)) for _, address, query in lines]
        for place, topic in enumerate(view.topics):
            flagged = [(a, code[place]) for a, code in codes if code and code[place]]
            names = detector.topics[place].categories
            assert topic.queries == len(flagged)
            assert topic.addresses is not None
            assert topic.addresses[0] == len({address for address, _ in flagged})
            assert topic.categories == Counter(names[code - 1] for _, code in flagged)
        assert view.topics[2].queries > view.topics[0].queries


def test_exclusive_queries_are_counted_within_a_profile(tmp_path: Path) -> None:
    """The other profile of the same topic is no other topic."""
    log = SteppedLog(tmp_path, '["paper", "extended"]')
    log.run(MONDAY + 2 * HOUR, 2)
    db = sqlite3.connect(log.state / "donkeywatch.db")
    rows = dict(
        db.execute(
            "select topic, exclusive_queries = queries and queries > 0 from window_topics"
            " where kind = 'hour' and start = ?",
            (MONDAY,),
        )
    )
    db.close()
    assert rows == dict.fromkeys(SERIES, 1)


def test_a_profile_that_is_switched_on_later_begins_with_a_whole_window(tmp_path: Path) -> None:
    """The hour and the rolling windows of that moment show no figure of it; `paper` goes on."""
    log = SteppedLog(tmp_path, '["paper"]')
    log.run(MONDAY + 2 * HOUR + HOUR // 2, 3)
    log.use('["paper", "extended"]')
    log.run(MONDAY + 5 * HOUR, 4)
    with Snapshots(log.state, SERIES).open() as snapshot:
        views = snapshot.windows_between("hour", MONDAY, MONDAY + 4 * HOUR)
        day = snapshot.current()
    fractions = [[topic.query_fraction is not None for topic in view.topics] for view in views]
    assert fractions == [
        [True, True, False, False], [True, True, False, False], [True, True, False, False],
        [True, True, True, True],
    ]  # fmt: skip
    assert all(view.topics[0].query_fraction is not None for view in day)
    assert all(view.topics[2].query_fraction is None for view in day if view.kind == "24h")


def test_a_new_database_begins_with_all_windows(tmp_path: Path) -> None:
    """The profile was there from the first query on."""
    log = SteppedLog(tmp_path, '["paper", "extended"]')
    log.run(MONDAY + 2 * HOUR, 5)
    with Snapshots(log.state, SERIES).open() as snapshot:
        assert all(
            topic.query_fraction is not None for view in snapshot.current() for topic in view.topics
        )


def test_more_categories_than_fit_are_refused() -> None:
    """A category and its evidence are one number of a byte."""
    categories = [{"id": f"c{n}", "all": ["one"]} for n in range(MAX_CATEGORIES + 1)]
    lexicon = Lexicon.model_validate(
        {"topics": {"first": {"groups": {"one": ["zqorv"]}, "categories": categories}}}
    )
    assert Detector(lexicon).topics
    with pytest.raises(ConfigError, match=f"{MAX_CATEGORIES} categories"):
        Detector(lexicon, profiles=("paper", "extended"))


def test_the_list_of_the_other_tests_has_what_this_one_counts() -> None:
    """A guard against a list that finds nothing."""
    assert categories_of("zqorvxkarno")[1] == "both.joined"
