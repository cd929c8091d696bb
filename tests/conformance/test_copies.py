"""Kind A: what was counted is recognised wherever it turns up again, and what is new counts."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from conformance.copying import PACKERS, CopiedLog, Way
from donkeywatch.counting.calendar import SECOND, floor_to, iso_utc
from donkeywatch.ingest.log_copy_recogniser import MIN_RUN
from donkeywatch.sources import rotated_file_inspection
from donkeywatch.sources.log_file import open_file
from support.log_writer import LogWriter, search_line

WAYS = st.sampled_from(get_args(Way))
FIRST = st.integers(0, 400)
COUNTS = st.sampled_from((0, 1, 2, 3, 7, 40, 150))
PACKING = st.sampled_from(tuple(PACKERS))


class Machine(RuleBasedStateMachine):
    """Copying, cutting, merging, masking, packing and renaming in any order, beside new lines."""

    @initialize(whole_seconds=st.booleans())
    def begin(self, whole_seconds: bool) -> None:
        """A log with some lines that are counted."""
        self.log = CopiedLog(whole_seconds=whole_seconds)
        self.log.write(60)
        self.log.step()

    @rule(count=st.integers(1, 50))
    def write(self, count: int) -> None:
        """The server goes on."""
        self.log.write(count)

    @rule()
    def look(self) -> None:
        """The daemon looks and stores."""
        self.log.step()

    @rule(failing=st.integers(1, 3))
    def look_in_vain(self, failing: int) -> None:
        """The daemon looks, and cannot store."""
        self.log.step_in_vain(failing)

    @rule(way=WAYS, count=COUNTS, read=st.booleans())
    def copy(self, way: Way, count: int, read: bool) -> None:
        """The log is a copy that is written anew, with some more lines, read before or not."""
        if read:
            self.log.step()
        self.log.put(self.log.current() + self.log.new_lines(count), way)
        self.log.step()

    @rule(way=WAYS, left=st.integers(0, 90))
    def cut_front(self, way: Way, left: int) -> None:
        """The log is kept short by cutting its front off."""
        self.log.step()
        content = self.log.current()
        self.log.put(content[max(0, len(content) - left) :], way)
        self.log.step()

    @rule()
    def rotate(self) -> None:
        """Rename and create."""
        self.log.step()
        self.log.rotate()
        self.log.step()

    @rule(renamed=st.booleans())
    def restart(self, renamed: bool) -> None:
        """The source may have another name then."""
        self.log.restart("paris" if renamed and self.log.name == "main" else "main")

    @rule(parts=st.lists(st.tuples(FIRST, COUNTS), max_size=3), more=COUNTS, packing=PACKING)
    def backfill(self, parts: list[tuple[int, int]], more: int, packing: str) -> None:
        """Archives that overlap, merged in any order, with lines that nobody has counted."""
        if self.log.whole_seconds:
            self.log.step()
        content = [line for part in parts for line in self.log.part(*part)]
        if self.log.whole_seconds and len(set(content)) < MIN_RUN:
            content = []  # Among many other lines so few may be a coincidence.
        content += self.log.new_lines(more, back=3_600_000)
        assert self.log.backfill(list(dict.fromkeys(content)), packing) is None

    @rule(part=st.tuples(FIRST, st.sampled_from((5, 40, 150))), packing=PACKING)
    def drop(self, part: tuple[int, int], packing: str) -> None:
        """A copy of some lines appears beside the log under a rotated name."""
        self.log.step()
        self.log.drop(self.log.part(*part), packing)
        self.log.step()

    @rule(first=FIRST, count=st.sampled_from((60, 150)))
    def backfill_masked(self, first: int, count: int) -> None:
        """A copy in which addresses are masked is refused in so many words."""
        self.log.step()
        # A part of what was logged within a second may as well be another server's.
        part = self.log.lines if self.log.whole_seconds else self.log.part(first, count)
        content = [
            line.split(b"\t", 1)[0] + b"\t192.0.2.0\t" + line.rsplit(b"\t", 1)[1] for line in part
        ]
        if len(content) >= 40:
            message = self.log.backfill(content, "")
            assert message is not None
            assert "masked" in message

    def teardown(self) -> None:
        """Compare."""
        if hasattr(self, "log"):
            try:
                self.log.check()
            finally:
                self.log.close()


SETTINGS = settings(
    max_examples=int(os.environ.get("DONKEYWATCH_EXAMPLES", "300")),
    stateful_step_count=12,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.untraced
@pytest.mark.scenario("XA1")
def test_anything_copied_in_any_order_counts_once() -> None:
    """Every sequence that hypothesis thinks up, with the whole engine and a real database."""
    run_state_machine_as_test(Machine, settings=SETTINGS)


@pytest.fixture
def log() -> Iterator[CopiedLog]:
    """A log with 60 counted lines."""
    made = CopiedLog()
    made.write(60)
    made.step()
    yield made
    made.close()


@pytest.mark.scenario("XA6")
def test_a_source_with_another_name_goes_on(log: CopiedLog) -> None:
    """There and back: the log is known by its searches, and each name counts what is new."""
    for name in ("paris", "main", "paris"):
        log.restart(name)
        log.write(7)
        log.check()
    assert log.engine.status().sources[0].name == "paris"


@pytest.mark.scenario("XA5")
def test_a_copy_is_not_taken_for_the_last_log() -> None:
    """It begins as what a rewrite was interrupted in; the log is then written anew once more."""
    log = CopiedLog(whole_seconds=True)
    log.write(60)
    log.step()
    log.rotate()
    log.step()
    log.write(40)
    log.step()
    log.put(log.current() + log.new_lines(3), "in two lives")
    log.step()
    log.drop(log.part(60, 40), "")
    log.put(log.current(), "emptied first")
    log.check()
    log.close()


ACTS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from((1, 5, 40, 300))),
    st.tuples(st.just("step"), st.sampled_from((100, SECOND, 6 * SECOND))),
    st.tuples(
        st.just("put"), st.sampled_from([way for way in get_args(Way) if "first" not in way])
    ),
    st.tuples(st.sampled_from(("restart", "rotate", "fail")), st.none()),
)


@pytest.mark.untraced
@pytest.mark.scenario("XA5")
@settings(max_examples=int(os.environ.get("DONKEYWATCH_EXAMPLES", "300")), deadline=None)
@given(st.lists(ACTS, min_size=3, max_size=15), st.booleans())
@example([("write", 300), ("put", "kept beside"), ("write", 1), ("step", SECOND), ("write", 1),
          ("put", "in two steps"), ("put", "kept beside")], True)  # fmt: skip
@example([("write", 5), ("put", "in two steps"), ("write", 1), ("put", "in two steps"),
          ("put", "kept beside"), ("put", "in two steps"), ("write", 1)], True)  # fmt: skip
@example([("write", 5), ("step", SECOND), ("put", "in two lives"), ("write", 40),
          ("put", "kept beside")], True)  # fmt: skip
@example([("write", 1), ("put", "kept beside"), ("write", 5), ("put", "moved over"),
          ("write", 300), ("write", 300), ("step", 6 * SECOND), ("put", "in two steps"),
          ("write", 40), ("put", "kept beside"), ("write", 40)], True)  # fmt: skip
def test_a_log_that_is_rewritten_with_all_of_it_counts_once(
    acts: list[tuple[str, Any]], whole_seconds: bool
) -> None:
    """In place or by a copy, again and again, with lines in it that were not read yet."""
    log = CopiedLog(whole_seconds=whole_seconds)
    done: dict[str, Callable[[Any], object]] = {
        "write": log.write,
        "step": log.step,
        "put": lambda way: log.put(log.current(), way),
        "restart": lambda _: log.restart(),
        "rotate": lambda _: log.rotate(),
        "fail": lambda _: log.step_in_vain(1),
    }
    try:
        for name, value in acts:
            done[name](value)
        log.check()
    finally:
        log.close()


class Burst:
    """A log, and lines of nine addresses in one second, seconds from now."""

    def __init__(self, more: str = "") -> None:
        self.log = CopiedLog(more=more)
        self.log.write(60)
        self.log.step()
        self.log.time = self.log.now + 4 * SECOND
        self.time = self.log.now + 3 * SECOND
        self._serial = itertools.count()

    def write(self, count: int, *, later: int = 0) -> None:
        """The server logs some of them, or of so many ms later."""
        time = floor_to(self.time + later, SECOND)
        lines = [
            search_line(time, f"192.0.2.{n % 9}", f"fnarbl {n}")
            for n in itertools.islice(self._serial, count)
        ]
        self.log.lines += lines
        LogWriter(self.log.path).append(b"".join(lines))

    def check(self, others: int = 0) -> None:
        """All are counted, and some of other logs."""
        self.log.settle()
        assert self.log.counted() == len(self.log.lines) + others
        self.log.close()


@pytest.mark.scenario("XA8")
@pytest.mark.parametrize("ahead", [0, 5], ids=["alone", "beside a log ahead"])
def test_a_burst_that_is_rotated_twice_between_two_looks_counts_whole(ahead: int) -> None:
    """The same addresses in the same second, in two files: the second was never seen as the log.

    Lines of another log may be seconds ahead.
    """
    burst = Burst('[[source]]\nname = "other"\npath = "other.log"\nformat = "tsv"')
    burst.write(50)
    later = iso_utc(burst.time + ahead * SECOND).encode()
    (burst.log.directory / "other.log").write_bytes(later + b"\t198.51.100.1\tfnarbl\n")
    if ahead:
        burst.log.step()
    burst.log.rotate()
    for count in (200, 100):
        burst.write(count)
        burst.log.rotate()
    burst.write(70)
    burst.check(others=1)


@pytest.mark.scenario("XA8")
def test_a_burst_around_a_rotation_counts_whole_after_a_failed_commit() -> None:
    """What was read of the next file and not stored does not make it the last log."""
    burst = Burst()
    burst.write(50)
    burst.log.step()
    burst.log.rotate()
    burst.write(70)
    burst.log.step_in_vain(2)  # The first commit stores what was read before the next file.
    assert burst.log.counted() == 110
    burst.check()


@pytest.mark.scenario("XA8")
def test_a_burst_after_a_rotation_counts_whole_over_a_restart() -> None:
    """Once a search is newer than the log before, lines of the same moment are new, too."""
    burst = Burst()
    burst.write(50)
    burst.log.step()
    burst.log.rotate()
    burst.write(70)
    burst.write(1, later=SECOND)
    burst.log.step()
    burst.log.restart()
    burst.write(20)
    burst.check()


@pytest.mark.scenario("XA6")
def test_a_log_that_begins_as_a_file_of_its_history_is_compared(log: CopiedLog) -> None:
    """Left as history under another name: what stands behind it was counted under the first."""
    log.drop(log.part(0, 40), "")
    log.step()
    log.restart("paris")
    log.put(log.current(), "in two steps")
    log.step()
    for name in ("main", "paris"):
        log.restart(name)
    log.write(3)
    log.check()


@pytest.mark.scenario("XA7")
def test_a_masked_log_is_left_out_and_told_beside_new_lines(log: CopiedLog) -> None:
    """A rotated file whose addresses are replaced afterwards; the live log goes on."""
    log.rotate()
    log.step()
    rotated = log.directory / "search.log.1"
    masked = [
        line.split(b"\t", 1)[0] + b"\t198.51.100.0\t" + line.rsplit(b"\t", 1)[1]
        for line in rotated.read_bytes().splitlines(keepends=True)
    ]
    log.settle()
    rotated.unlink()
    rotated.write_bytes(b"".join(masked))
    log.write(5)
    log.check()
    assert "60 lines of a file have the times of counted searches" in log.status_error()


def _hashes_of(text: bytes, keys: list[bytes]) -> list[bytes]:
    """What a thief can make of a text and the keys he has, cut to four bytes."""
    made = [hashlib.blake2b(text, digest_size=16).digest()]
    for key in keys:
        derived = hashlib.blake2b(b"fingerprints", key=key, digest_size=32).digest()
        for each in (key, derived):
            made += [
                hashlib.blake2b(text, key=each, digest_size=size).digest() for size in (16, 32)
            ]
    return [digest[:4] for digest in made]


@pytest.mark.scenario("XB1")
def test_a_thief_finds_no_line_once_its_week_is_over(log: CopiedLog) -> None:
    """With all files, the lasting key and the other lines no hash of any first lines is there.

    The control shows that the thief looks in the right way: while the key lives, the fingerprint
    of the log is found.
    """
    content = log.path.read_bytes()
    assert log.finds(content[:4096], _hashes_of)
    log.rotate()
    for _ in range(5):
        log.pass_week()
    assert not log.finds(content[:4096], _hashes_of)
    for end in [i + 1 for i, byte in enumerate(content) if byte == 10][:40]:
        assert not log.finds(content[:end], _hashes_of)
    for line in content.splitlines(keepends=True)[:40]:
        assert not log.finds(line, _hashes_of)
        assert not log.finds(line.rstrip(), _hashes_of)
    row = log.engine.store.connection.execute(
        "select count(*) from generations where head_length > 0 and key_week not in"
        " (select week from weekly_keys where destroyed = 0)"
    ).fetchone()
    assert row == (0,)


@pytest.mark.scenario("XB2")
def test_an_idle_log_is_known_when_its_keys_are_long_gone(log: CopiedLog) -> None:
    """Its fingerprint is made anew before each key goes; a restart reads nothing again."""
    for week in range(4):
        log.pass_week()
        if week % 2:
            log.restart()
    log.settle()
    assert log.counted() == len(log.lines)
    assert not log.engine.streams[0].left_out
    weeks = log.engine.store.connection.execute("select key_week from generations").fetchall()
    living = {week for week, (_, sealed) in log.engine.store.weekly_keys().items() if not sealed}
    assert {week for (week,) in weeks} <= living
    log.time = log.now
    log.write(5)
    log.settle()
    assert log.counted() == len(log.lines)


@pytest.mark.scenario("XC2")
def test_a_rotation_into_another_directory_is_followed_by_its_pattern() -> None:
    """While stopped: what was added before the rotation is read there."""
    log = CopiedLog(more='rotated = ["archive/search.log*"]')
    (log.directory / "archive").mkdir()
    log.write(20)
    log.step()
    log.down()
    log.write(15)
    log.path.rename(log.directory / "archive" / "search.log-20261128")
    log.write(10)
    log.up()
    log.check()
    log.close()


@pytest.mark.scenario("XC3")
def test_a_link_moved_to_the_next_dated_file_while_stopped(log: CopiedLog) -> None:
    """The file it led to has no rotated name: it is found by what it holds."""
    dated = [log.directory / f"day-{n}.txt" for n in (1, 2)]
    log.path.rename(dated[0])
    log.path.symlink_to(dated[0])
    log.step()
    log.down()
    log.write(9)
    log.path.unlink()
    log.path.symlink_to(dated[1])
    log.write(8)
    log.up()
    log.check()


@pytest.mark.scenario("XC4")
def test_a_rotated_name_that_is_a_link_is_not_followed(log: CopiedLog) -> None:
    """Wherever it leads: what stands there is no rotated file of this log."""
    elsewhere = log.directory / "elsewhere"
    elsewhere.write_bytes(b"2026-11-25T00:00:00Z\t192.0.2.1\tfnarbl\n")
    (log.directory / "search.log.1").symlink_to(elsewhere)
    log.check()


@pytest.mark.scenario("XC5")
def test_a_counted_file_that_is_nowhere_is_told(log: CopiedLog) -> None:
    """What was added to it before it went is unknown: told, counted as lost, not covered."""
    log.down()
    log.path.rename(log.directory.parent / f"{log.directory.name}-gone")
    log.path.touch()
    log.up()
    log.settle()
    assert "is nowhere" in log.status_error()
    (lost,) = log.engine.store.connection.execute(
        "select value from counters where name = 'lost_bytes'"
    ).fetchone()
    assert lost >= 1
    (log.directory.parent / f"{log.directory.name}-gone").unlink()


@pytest.mark.scenario("XC6")
def test_rotated_files_that_were_read_are_not_opened_at_a_restart(
    log: CopiedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: a restart looks at their names and states alone."""
    for number in range(300):
        (log.directory / f"search.log.{number + 1}").write_bytes(b"".join(log.new_lines(1)))
    while log.counted() < len(log.lines):
        log.step(3_000)
    log.settle()
    log.check()
    opened: list[Path] = []
    real = open_file
    monkeypatch.setattr(
        rotated_file_inspection,
        "open_file",
        lambda path: opened.append(path) or real(path),  # type: ignore[func-returns-value]
    )
    log.restart()
    log.check()
    assert opened == []
