"""The series of `extended` beside those of `paper`, through engine, database and what is shown."""

from __future__ import annotations

import sqlite3
import tomllib
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from donkeywatch.counting.calendar import HOUR, SECOND, iso_utc, to_ms
from donkeywatch.errors import ConfigError
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.extended.evidence import MAX_CATEGORIES
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from extended_lexicon import categories_of
from support import START

MONDAY = to_ms(START)
LEXICON = """title = "nonsense"
[topics.first.groups]
child = ["zqorv", "qvlop"]
sex = ["xkarno"]
[[topics.first.categories]]
id = "both"
all = ["child", "sex"]
[[topics.first.categories]]
id = "only_sex"
all = ["sex"]
[topics.second.groups]
terms = ["porno"]
[[topics.second.categories]]
id = "terms"
all = ["terms"]
"""
QUERIES = ("kamo", "xkarno", "xk4rno", "zq-orv xkarno", "zqorvxkarno", "porno", "p0rno", "zqorv")
SERIES = ("first", "second", "first.extended", "second.extended")


class SteppedLog:
    """A log that an engine counts, on a clock that is moved by hand."""

    def __init__(self, directory: Path, profiles: str) -> None:
        self.settings = directory / "donkeywatch.toml"
        self.log = directory / "search.log"
        self.log.touch()
        lexicon = directory / "lexicon.toml"
        lexicon.write_text(LEXICON)
        lexicon.chmod(0o600)
        self.state = directory / "state"
        self.use(profiles)
        self.now = MONDAY + HOUR // 2
        self.written: list[tuple[int, str, str]] = []
        """Time, address and query of every line."""

    def use(self, profiles: str) -> None:
        """Write the settings, with these profiles."""
        self.settings.write_text(
            'state = "state"\nlexicon = "lexicon.toml"\n[time]\nlateness = 60\n'
            f"[detection]\nprofiles = {profiles}\n"
            '[[source]]\npath = "search.log"\nformat = "tsv"\n'
        )

    def write(self, address: str, query: str) -> None:
        """Log a search of now."""
        with self.log.open("a") as log:
            log.write(f"{iso_utc(self.now)}\t{address}\t{query}\n")
        self.written.append((self.now, address, query))

    def run(self, until: int, seed: int) -> None:
        """Search every minute until a time, and let an engine count, from its start to its end."""
        rng = Random(seed)
        engine = Engine(loader.load(self.settings, {}), self.now)
        while self.now < until:
            self.write(f"192.0.2.{rng.randrange(20)}", rng.choice(QUERIES))
            self.now += 60 * SECOND
            while engine.tick(self.now, self.now):
                pass
        engine.commit(self.now, self.now)
        engine.close()


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
    with pytest.raises(ConfigError, match="25 categories"):
        Detector(lexicon, profiles=("paper", "extended"))


def test_the_list_of_the_other_tests_has_what_this_one_counts() -> None:
    """A guard against a list that finds nothing."""
    assert categories_of("zqorvxkarno")[1] == "both.joined"
