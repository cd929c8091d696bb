"""Searches that were counted before are recognised in whatever file they turn up again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from donkeywatch.counting.calendar import DAY, HOUR, MINUTE, WEEK, week_of
from donkeywatch.counting.tick_counts import TICK_MS, Rows, group
from donkeywatch.ingest.address_mac import pseudonyms
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.ingest.lateness import TOO_LATE, JudgedQueries
from donkeywatch.ingest.line_reader import LineReader, QueryColumns
from donkeywatch.ingest.log_copy_exclusion import leave_out_counted
from donkeywatch.ingest.log_copy_recogniser import MIN_MASKED, MIN_RUN, Recogniser, SearchOutcome
from donkeywatch.runtime.format_detection import reader_without_lexicon
from donkeywatch.settings.schema import Source

MONDAY = week_of(1_795_000_000_000)
Search = tuple[int, int]
"""Milliseconds since Monday, and the number of an address."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """Keys of two weeks and one that is destroyed."""
    made = Keyring(
        tmp_path_factory.mktemp("keys"), {}, lambda _week, _proof: None, lambda _checks: None
    )
    for week in (MONDAY - WEEK, MONDAY, MONDAY + WEEK):
        made.key(week)
    made.destroy_before(MONDAY)
    return made


def addresses(numbers: Sequence[int]) -> np.ndarray:
    """Addresses of the documentation range by number."""
    made = np.zeros((len(numbers), 16), np.uint8)
    made[:, :4] = (0x20, 0x01, 0x0D, 0xB8)
    made[:, 14:] = np.array(numbers, ">u2").view(np.uint8).reshape(-1, 2)
    return made


def sightings(searches: Sequence[Search]) -> QueryColumns:
    """What the reader makes of a log with these searches."""
    time = np.array([MONDAY + at for at, _ in searches], np.int64)
    address = addresses([number for _, number in searches])
    return QueryColumns(time, time, address, np.zeros((1, len(searches)), np.uint8), Counter())


def rows(searches: Sequence[Search], hour: int, keys: Keyring) -> Iterator[Rows]:
    """The rows that counting these searches has left of an hour."""
    chosen = [(at, n) for at, n in searches if hour <= MONDAY + at < hour + HOUR]
    key = keys.key(week_of(hour))
    if not chosen or key is None:
        return
    count = len(chosen)
    yield group(
        Rows(
            hour,
            pseudonyms(addresses([n for _, n in chosen]), key),
            None,
            np.full(count, 0x5A5A, np.uint16),
            np.array([(MONDAY + at - hour) // TICK_MS for at, _ in chosen], np.uint16),
            np.ones(count, np.uint8),
            np.zeros((1, count), np.uint8),
        )
    )


def recogniser(counted: Sequence[Search], keys: Keyring, before: bytes | None = None) -> Recogniser:
    """One that compares with what was counted; ``before`` is the end of the log before."""
    newest = max((MONDAY + at + TICK_MS for at, _ in counted), default=0)
    return Recogniser(lambda hour: rows(counted, hour, keys), keys, newest, 0, before)


SEARCHES = st.lists(
    st.tuples(st.integers(0, 2 * HOUR), st.integers(0, 40)), min_size=MIN_RUN, max_size=40
)


@given(
    counted=SEARCHES, new=SEARCHES, cut=st.integers(0, 40), order=st.randoms(),
    block=st.integers(1, 30),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_a_mix_of_old_and_new_is_told_apart_as_the_multiset_says(
    keys: Keyring, counted: list[Search], new: list[Search], cut: int, order: object, block: int
) -> None:
    """Cut, merged, shuffled and in blocks of any size; the oracle counts tick by tick."""
    file = counted[cut % len(counted) :] + new
    order.shuffle(file)  # type: ignore[attr-defined]
    subject = recogniser(counted, keys)
    subject.withholds = False
    left = Counter((at // TICK_MS, number) for at, number in counted)
    for at in range(0, len(file), block):
        part = file[at : at + block]
        outcomes = subject.recognise(sightings(part)).tolist()
        expected = []
        for time, number in part:
            expected.append(int(left[time // TICK_MS, number] > 0))
            left[time // TICK_MS, number] -= expected[-1]
        whole_seconds = all(time % 1000 == 0 for time, _ in part)
        if not whole_seconds or sum(expected) >= 0.1 * len(part):
            assert outcomes == expected


def test_what_is_newer_than_the_newest_counted_search_is_never_looked_up(keys: Keyring) -> None:
    """A log that goes on costs nothing: no row is loaded for its lines."""

    def refuse(_hour: int) -> Iterator[Rows]:
        raise AssertionError

    subject = Recogniser(refuse, keys, MONDAY + 1000)
    assert subject.recognise(sightings([(1001, 1), (5000, 2)])).tolist() == [
        SearchOutcome.NEW,
        SearchOutcome.NEW,
    ]


def test_the_same_moment_right_after_a_rotation_is_another_search(keys: Keyring) -> None:
    """An address that searches twice around a rotation is counted twice, but for the same line.

    In a copy, whose lines may have been edited, searches that are known come before those.
    """
    counted = [(n * 1000, n) for n in range(10)] + [(10_000, 7), (10_000, 8)]
    before = b"\n".join(b"counted %d %d" % item for item in counted)
    again = [(9_990, 9), (10_000, 7), (10_000, 8), (10_400, 8)]

    def outcomes(kind: bytes, searches: list[tuple[int, int]]) -> list[int]:
        lines = [b"%s %d %d" % (kind, *item) for item in searches]
        result = recogniser(counted, keys, before).recognise(sightings(searches), lambda _: lines)
        return [int(outcome) for outcome in result]

    assert outcomes(b"new", again) == [0, 0, 0, 0]
    assert outcomes(b"counted", again) == [0, 1, 1, 0]
    assert recogniser(counted, keys).recognise(sightings(again)).tolist() == [0, 1, 1, 0]
    assert outcomes(b"masked", counted[3:] + again) == [1] * 9 + [0] * 4


def test_a_burst_of_the_same_addresses_around_a_rotation_loses_no_line(keys: Keyring) -> None:
    """Thousands of lines in one second, of a few hundred addresses, rotated in their midst.

    Another log may be seconds ahead.
    """
    counted = [(5_000, n % 300) for n in range(1_500)]
    burst = [(5_000, n % 300) for n in range(4_000)]
    texts = [b"%d" % (n + 1_500) for n in range(4_000)]
    for ahead in ([], [(9_000, 500)]):
        subject = recogniser(counted + ahead, keys, b"\n".join(b"%d" % n for n in range(1_500)))
        subject.newest_before = MONDAY + 5_000
        assert set(subject.recognise(sightings(burst), lambda _: texts).tolist()) == {
            SearchOutcome.NEW
        }


def test_the_end_of_a_masked_copy_is_withheld_as_the_rest_of_it(keys: Keyring) -> None:
    """Right after a rotation too: no line of it stands in the log before."""
    counted = [(n * 300, n) for n in range(100)]
    masked = [(at, number + 1000) for at, number in counted]
    subject = recogniser(counted, keys, b"the end of the log before")
    outcomes = subject.recognise(sightings(masked), lambda _: [b"masked"] * len(masked))
    assert set(outcomes.tolist()) == {SearchOutcome.WITHHELD}


def test_another_server_with_some_of_the_same_addresses_is_no_copy(keys: Keyring) -> None:
    """One search in twenty at the very moment of a counted one is a coincidence."""
    counted = [(n * 3000, n) for n in range(200)]
    other = [(n * 3000 + (n % 20 != 0) * 1000, n + (n % 20 != 0) * 300) for n in range(200)]
    subject = recogniser(counted, keys)
    assert set(subject.recognise(sightings(other)).tolist()) == {SearchOutcome.NEW}


@pytest.mark.parametrize("mask", [lambda n: n // 256 * 256, lambda n: 3], ids=["truncated", "one"])
def test_a_copy_with_masked_addresses_is_withheld(keys: Keyring, mask: object) -> None:
    """It has the times of counted searches, one for one, and none of their addresses."""
    counted = [(n * 1700, n + 1) for n in range(300)]
    masked = [(at, mask(number) + 1000) for at, number in counted[100:]]  # type: ignore[operator]
    outcomes = recogniser(counted, keys).recognise(sightings(masked))
    assert set(outcomes.tolist()) == {SearchOutcome.WITHHELD}
    message = recogniser(counted, keys)
    message.withholds = False
    assert set(message.recognise(sightings(masked)).tolist()) == {SearchOutcome.NEW}


def test_other_lines_of_the_same_seconds_are_not_taken_for_a_masked_copy(keys: Keyring) -> None:
    """Two busy servers of one source: each address is another, and so are the times."""
    counted = [(n * 1700, n) for n in range(300)]
    other = [(n * 1700 + 800, n + 1000) for n in range(300)]
    assert set(recogniser(counted, keys).recognise(sightings(other)).tolist()) == {
        SearchOutcome.NEW
    }
    together = [(0, n) for n in range(300)]
    same_moment = [(0, n + 1000) for n in range(300)]
    assert set(recogniser(together, keys).recognise(sightings(same_moment)).tolist()) == {
        SearchOutcome.NEW
    }
    few = [(at, number + 1000) for at, number in counted[: MIN_MASKED - 1]]
    assert set(recogniser(counted, keys).recognise(sightings(few)).tolist()) == {SearchOutcome.NEW}


def test_a_week_whose_key_is_destroyed_is_left_alone(keys: Keyring) -> None:
    """Nobody can tell whether its searches were counted."""
    counted = [(0, 1)]
    outcomes = recogniser(counted, keys).recognise(sightings([(-MINUTE, 1), (-1, 2), (0, 1)]))
    assert outcomes.tolist() == [
        SearchOutcome.UNKNOWABLE,
        SearchOutcome.UNKNOWABLE,
        SearchOutcome.KNOWN,
    ]


def test_hours_from_before_the_ticks_are_compared_by_the_minute(keys: Keyring) -> None:
    """Version 0.1 stored minutes: the copy of a log that it counted is known all the same."""
    counted = [(n * 1700, n) for n in range(200)]
    minutes = [(at // MINUTE * MINUTE, number) for at, number in counted]
    subject = recogniser(minutes, keys)
    subject.until, subject.exact_since = MONDAY + HOUR, MONDAY + HOUR
    assert set(subject.recognise(sightings(counted)).tolist()) == {SearchOutcome.KNOWN}


@pytest.fixture
def reader() -> LineReader:
    """Of the format tsv, without a lexicon."""
    return reader_without_lexicon(Source(path=Path("search.log"), format="tsv"))


def line(at: int, number: int) -> bytes:
    """A line of the log."""
    return f"{(MONDAY + at) / 1000:.3f}\t2001:db8::{number:x}\tzqorv\n".encode()


def judged(read: QueryColumns, too_late: Collection[int] = ()) -> JudgedQueries:
    """Searches of which those at some places are too late."""
    verdict = np.zeros(len(read.time), np.uint8)
    verdict[list(too_late)] = TOO_LATE
    return JudgedQueries(read, read.time, read.time, verdict)


def test_searches_that_are_too_late_share_the_lot_of_their_neighbours(
    keys: Keyring, reader: LineReader
) -> None:
    """None of them was counted, so only these tell whether their outcome was counted."""
    counted = [(n * 1000, n) for n in range(20)]
    stale = line(-30 * DAY, 1)
    known, new = (b"".join(line(at + n * 1000, n) for n in range(20)) for at in (0, 60_000))
    for block, places, late, left_out in (
        (known + stale + line(20_000, 3), {20}, 1, 20),
        (line(0, 0) + stale + b"".join(line(n * 1000, n) for n in range(1, 20)), {1}, 0, 21),
        (new + stale, {20}, 1, 0),
        (stale + known, {0}, 0, 21),
    ):
        kept, _, items = leave_out_counted(
            judged(reader.read_lines(block), places),
            0,
            block,
            reader,
            recogniser(counted, keys),
            more_follows=True,
        )
        assert (kept.read.outcomes["too_late"], items.total()) == (late, left_out)
        assert not kept.verdict.any()
        assert len(kept.time) + late + left_out == block.count(b"\n")


def test_lines_between_known_searches_are_known_and_others_are_new(
    keys: Keyring, reader: LineReader
) -> None:
    """Noise of a copy is not counted again; where it may be new, it is counted."""
    counted = [(n * 1000, n) for n in range(20)]
    old = b"a banner\n" + b"noise\n".join(line(*item) for item in counted)
    fresh = b"noise\n" + b"".join(line(30_000 + n, n) + b"noise\n" for n in range(4))
    subject = recogniser(counted, keys)
    kept, too_long, left_out = leave_out_counted(
        judged(reader.read_lines(old + fresh)), 0, old + fresh, reader, subject, more_follows=False
    )
    assert (len(kept.time), dict(kept.read.outcomes), too_long) == (4, {"other": 5}, 0)
    assert dict(left_out) == {"counted_before": 40}
    whole = recogniser(counted, keys)
    kept, too_long, left_out = leave_out_counted(
        judged(reader.read_lines(old)), 2, old, reader, whole, more_follows=True
    )
    assert (len(kept.time), kept.read.outcomes.total(), too_long) == (0, 0, 0)
    assert dict(left_out) == {"counted_before": 42}
    kept, too_long, left_out = leave_out_counted(
        judged(reader.read_lines(fresh)), 2, fresh, reader, whole, more_follows=False
    )
    assert (len(kept.time), dict(kept.read.outcomes), too_long) == (4, {"other": 5}, 2)
    assert not left_out
    end = old + b"noise\n"
    kept, _, left_out = leave_out_counted(
        judged(reader.read_lines(end)),
        0,
        end,
        reader,
        recogniser(counted, keys),
        more_follows=False,
    )
    assert (len(kept.time), dict(kept.read.outcomes)) == (0, {"other": 1})
    assert dict(left_out) == {"counted_before": 40}
