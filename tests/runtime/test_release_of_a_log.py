"""From lines of a log to what anyone may see: nothing before the close, and little after it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from donkeywatch.counting.calendar import DAY, HOUR, SECOND, WEEK, to_ms
from donkeywatch.publish.http.released_app import make_public_server
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.settings.state_files import DATABASE
from support.log_writer import LogWriter, numbered_address

START = to_ms(datetime(2026, 10, 5, tzinfo=UTC))
PATHS = ("/", "/chart.svg", "/api/v1/weeks", "/api/v1/hours", "/api/v1/weeks?format=csv")
LEXICON = """title = "nonsense"
[topics.first.groups]
one = ["qvortelz"]
[[topics.first.categories]]
id = "one"
all = ["one"]
"""


class Place:
    """A log of one server, an engine that is stepped, and somebody who asks the public server."""

    def __init__(self, directory: Path) -> None:
        (directory / "lexicon.toml").write_text(LEXICON)
        (directory / "lexicon.toml").chmod(0o600)
        (directory / "donkeywatch.toml").write_text(
            'state = "state"\nlexicon = "lexicon.toml"\n[[source]]\npath = "search.log"\n'
            'format = "tsv"\n[release]\nport = 0\n'
        )
        self.log = directory / "search.log"
        self.log.touch()
        self.settings = loader.load(directory / "donkeywatch.toml", {})
        self.now = START
        self.engine = Engine(self.settings, self.now)

    def write(self, addresses: int, flagged: int, net: int = 0) -> None:
        """A search of each address, now; some of the first are flagged."""
        writer = LogWriter(self.log)
        for number in range(addresses):
            word = "qvortelz" if number < flagged else "zqorv"
            writer.log_search(self.now, numbered_address((net << 16) + number), word)

    def step(self, until: int) -> None:
        """Let the clock go on, an hour or two at a time."""
        while self.now < until:
            self.now = min(until, self.now + 2 * HOUR)
            while self.engine.tick(self.now):
                pass

    def answers(self) -> list[bytes]:
        """What everybody gets."""
        server = make_public_server(self.settings, 0)
        server.start()
        try:
            with httpx.Client(base_url=server.url, trust_env=False) as client:
                return [client.get(path).content for path in PATHS]
        finally:
            server.stop()


@pytest.mark.parametrize("flagged", [1, 9])
def test_a_flagged_line_is_seen_by_nobody_before_the_close_nor_below_the_floor_after_it(
    tmp_path: Path, flagged: int
) -> None:
    """Every byte is that of a week in which the same addresses searched for something else."""
    answers = []
    for name, count in (("without", 0), ("with", flagged)):
        (tmp_path / name).mkdir()
        place = Place(tmp_path / name)
        with closing(place.engine):
            before = place.answers()
            place.step(START + HOUR)
            place.write(150, count)
            place.step(START + 2 * HOUR)
            assert place.answers() == before
            place.step(START + WEEK + DAY - HOUR)
            assert place.answers() == before
            place.step(START + WEEK + DAY + HOUR)
            answers.append(place.answers())
            assert answers[-1] != before
    assert answers[0] == answers[1]


def test_what_is_released_is_what_was_counted_and_stays(tmp_path: Path) -> None:
    """Rounded; a late line counts for the operator alone."""
    place = Place(tmp_path)
    with closing(place.engine):
        place.step(START + HOUR)
        place.write(163, 31)
        place.step(START + WEEK + DAY + HOUR)
        before = place.answers()
        assert b'"addresses": 165' in before[2]
        assert b'"flagged_addresses": 30' in before[2]
        late, place.now = place.now, START + 3 * HOUR
        place.write(80, 80, net=1)
        place.now = late
        place.step(late + 60 * SECOND)
        place.step(late + 2 * DAY)
        assert place.answers() == before
    with closing(sqlite3.connect(tmp_path / "state" / DATABASE)) as db:
        counted = db.execute(
            "select addresses from windows where kind = 'week' and start = ?", (START,)
        )
        assert counted.fetchone() == (243,)
