"""The privacy boundary: times decided, addresses replaced, every line accounted for."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from donkeywatch.counting.calendar import DAY, HOUR, MINUTE, SECOND, WEEK, week_of, week_start
from donkeywatch.counting.event_time_frontier import EventTimeFrontier
from donkeywatch.counting.observations import OUTCOMES, Observations, unpack_country
from donkeywatch.ingest.block_reader import BlockReader
from donkeywatch.ingest.countries import CountryLookup
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.formats.tsv import Tsv
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.ingest.lateness import LatenessRules
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.ingest.line_reader import LineReader, QueryColumns
from donkeywatch.ingest.pseudonymiser import Pseudonymiser
from donkeywatch.ingest.timestamps import TimestampParser

MONDAY = week_start("2026-W40")
NOW = MONDAY + 3 * DAY
RULES = LatenessRules(lateness=2 * MINUTE, future=5 * MINUTE)


@dataclass
class Room:
    """An observer with keys in a directory, and what became of them."""

    directory: Path
    registered: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = Keyring(
            self.directory / "keys",
            {},
            lambda week, _: self.registered.append(week),
            lambda _checks: None,
        )
        self.observer = Pseudonymiser(CountryLookup(None), self.keys, RULES)
        self.frontier = EventTimeFrontier.restored(None, 0, 0)

    def see(
        self, times: list[int], closed: int = 0, now: int = NOW, **more: list[int]
    ) -> Observations:
        """Observe queries at these times; hosts count from 1."""
        judged = RULES.judge(sightings(times, **more), self.frontier, now, self.keys.has_key)
        return self.observer.pseudonymise(judged, closed)


def sightings(
    times: list[int], alternative: list[int] | None = None, hosts: list[int] | None = None
) -> QueryColumns:
    """Sightings of two topics; the codes are the place and the place again."""
    count = len(times)
    address = np.zeros((count, 16), np.uint8)
    address[:, 10:12] = 255
    address[:, 12:15] = (192, 0, 2)
    address[:, 15] = range(1, count + 1) if hosts is None else hosts
    codes = np.tile(np.arange(count, dtype=np.uint8), (2, 1))
    time = np.array(times, np.int64)
    other = time.copy() if alternative is None else np.array(alternative, np.int64)
    return QueryColumns(time, other, address, codes, Counter({"other": 4, "keywordless": 1}))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """No key yet."""
    return Room(tmp_path)


def mac(key: bytes | None, host: int) -> int:
    """The pseudonym by the library's CMAC."""
    assert key is not None
    first = CMAC(AES(key))
    first.update(b"\0" * 10 + b"\xff\xff" + bytes((192, 0, 2, host)))
    return int.from_bytes(first.finalize()[:8], "big")


def test_pseudonyms_are_under_the_key_of_the_week_and_of_the_week_before(room: Room) -> None:
    """Each query is hashed twice, so that rolling windows can cross the week."""
    observed = room.see([MONDAY - SECOND, MONDAY, NOW - SECOND], hosts=[7, 7, 8])
    old, this, before = (room.keys.key(MONDAY + w * WEEK) for w in (-1, 0, -2))
    assert observed.pseudonym.tolist() == [mac(old, 7), mac(this, 7), mac(this, 8)]
    assert observed.previous_pseudonym.tolist() == [mac(before, 7), mac(old, 7), mac(old, 8)]
    assert observed.time.tolist() == [MONDAY - SECOND, MONDAY, NOW - SECOND]
    assert [unpack_country(code) for code in observed.country.tolist()] == ["ZZ"] * 3


def test_where_the_older_key_is_destroyed_an_address_keeps_its_own_pseudonym(room: Room) -> None:
    """Nothing is hashed under a destroyed key, and none is made again; addresses stay apart."""
    room.see([MONDAY - SECOND, MONDAY])
    room.keys.destroy_before(MONDAY)
    observed = room.see([MONDAY + SECOND, MONDAY + SECOND], hosts=[7, 8])
    assert observed.previous_pseudonym.tolist() == observed.pseudonym.tolist()
    assert observed.pseudonym.tolist() == [mac(room.keys.key(MONDAY), host) for host in (7, 8)]
    assert room.keys.key(MONDAY - WEEK) is None


def test_a_line_of_a_destroyed_week_is_too_late(room: Room) -> None:
    """Even when its hour is less than seven days back."""
    room.see([MONDAY - SECOND, MONDAY])
    room.keys.destroy_before(MONDAY)
    observed = room.see([MONDAY - 2 * SECOND, MONDAY + 2 * SECOND])
    assert observed.time.tolist() == [MONDAY + 2 * SECOND]
    assert observed.tally["too_late"] == 1


def test_the_future_is_refused_and_moves_nothing(room: Room) -> None:
    """Five minutes ahead is the last that counts."""
    observed = room.see([NOW + 5 * MINUTE + 1, NOW + 5 * MINUTE, NOW + DAY])
    assert observed.time.tolist() == [NOW + 5 * MINUTE]
    assert observed.tally["future"] == 2
    assert observed.categories.tolist() == [[1], [1]]
    assert room.frontier.max_time == NOW + 5 * MINUTE


def test_lines_older_than_a_segment_are_too_late(room: Room) -> None:
    """Seven days behind the frontier still count, a millisecond more does not."""
    observed = room.see([NOW, NOW - WEEK, NOW - WEEK - 1])
    assert observed.time.tolist() == [NOW, NOW - WEEK]
    assert observed.tally["too_late"] == 1


def test_a_line_is_late_when_its_hour_has_closed(room: Room) -> None:
    """Closed by the frontier less the lateness, or by the clock of the closer."""
    observed = room.see([NOW + 2 * MINUTE - 1, NOW - 1, NOW + 2 * MINUTE, NOW - 1])
    assert observed.is_late.tolist() == [False, False, False, True]
    observed = room.see([NOW - HOUR, NOW + 3 * MINUTE], closed=NOW + HOUR)
    assert observed.is_late.tolist() == [True, True]


def test_the_repeated_hour_follows_the_order_of_the_log(room: Room) -> None:
    """A stamp of the repeated hour is read as the pass nearer to what was read before."""
    first = [NOW - 4 * HOUR + m * MINUTE for m in (50, 58)]
    again = [NOW - 4 * HOUR + m * MINUTE for m in (1, 5)]
    both = [t + HOUR for t in first + again]
    observed = room.see(first + again, alternative=both)
    assert observed.time.tolist() == first + [t + HOUR for t in again]


def test_no_query_at_all_is_a_tally(room: Room) -> None:
    """Empty columns keep their shapes."""
    observed = room.see([])
    assert len(observed) == 0
    assert observed.categories.shape == (2, 0)
    assert observed.tally == Counter({"other": 4, "keywordless": 1})
    assert room.registered == []


times_near = st.integers(NOW - 9 * DAY, NOW + 10 * MINUTE) | st.sampled_from(
    [0, NOW, NOW + 5 * MINUTE, NOW - WEEK, NOW + WEEK, MONDAY, MONDAY - 1]
)


@settings(max_examples=50, deadline=None)
@given(st.lists(times_near, max_size=25), st.integers(0, NOW), st.integers(0, 25))
def test_every_line_is_accounted_for_however_the_log_is_cut(
    times: list[int], closed: int, cut: int
) -> None:
    """lines = queries + everything else; two blocks give what one gives."""
    with tempfile.TemporaryDirectory() as name:
        room = Room(Path(name))
        whole = room.see(times, closed)
        assert whole.tally.total() == len(times) + 5
        assert whole.tally["query"] == len(whole)
        assert set(whole.tally) <= set(OUTCOMES)
        assert all(count > 0 for count in whole.tally.values())
        room.frontier = EventTimeFrontier.restored(None, 0, 0)
        hosts = list(range(1, len(times) + 1))
        parts = [
            room.see(times[:cut], closed, hosts=hosts[:cut]),
            room.see(times[cut:], closed, hosts=hosts[cut:]),
        ]
        for column in ("time", "pseudonym", "previous_pseudonym", "country", "is_late"):
            cutted = np.concatenate([getattr(part, column) for part in parts])
            assert cutted.tolist() == getattr(whole, column).tolist()


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00"])
def test_a_stamp_of_the_year_1_stops_nothing(room: Room, stamp: str) -> None:
    """The zero time of Go is only one odd line, first in the log or later."""
    words = {"groups": {"a": ["zqorv"]}, "categories": [{"id": "a", "all": ["a"]}]}
    detector = Detector(Lexicon.model_validate({"topics": {"one": words}}))
    reader = BlockReader(LineReader(Tsv(), TimestampParser(), "plain", "cp1252", 999, detector))
    line = f"{stamp}\t192.0.2.7\tzqorv\n".encode()
    valid = f"{NOW // 1000}\t192.0.2.7\tzqorv\n".encode()
    for block in (line + valid, valid + line, line * 40):
        judged = RULES.judge(
            reader.read(block), EventTimeFrontier.restored(None, 0, 0), NOW, room.keys.has_key
        )
        observed = room.observer.pseudonymise(judged, 0)
        assert observed.tally.total() == block.count(b"\n")
        assert observed.tally["query"] == block.count(valid)


def test_lines_that_are_too_late_make_no_keys(room: Room) -> None:
    """Bogus old stamps must not fill the key directory, a file and a record each."""
    observed = room.see([NOW, *(NOW - n * 10 * WEEK for n in range(1, 20))])
    assert observed.tally["too_late"] == 19
    assert sorted(room.registered) == [week_of(NOW) - WEEK, week_of(NOW)]
