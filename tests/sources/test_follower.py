"""The follower against everything that happens to log files; each line carries its number."""

from __future__ import annotations

import contextlib
import errno
import gzip
import itertools
import os
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from donkeywatch.sources.fingerprints import HEAD
from donkeywatch.sources.follower import MAX_BYTES_BEFORE_LIVE, MISSING_FILE_TIMEOUT, Follower
from donkeywatch.sources.generation_registry import (
    DESCRIPTOR_HOLD_TIME,
    LAST_LINE_DELAY,
    MAX_DRAINED_OPEN,
)
from donkeywatch.sources.generation_state import OPEN
from donkeywatch.sources.line_blocks import LineBlock
from donkeywatch.sources.log_file import CompressedFile, PlainFile
from donkeywatch.sources.log_paths import LogPaths, rotated_pattern
from donkeywatch.sources.positions import FinishedFile, GenerationPosition
from donkeywatch.sources.unknown_files import UNCHANGED_MS
from support.log_writer import LogWriter
from support.simulated_server import FixedKeys

STEP = 1_000
OPEN_FILES = "a sibling is not compared with open files of which nothing is counted yet: doubled"
RELEASED = "_give_up_and_release closes drained files whose lines are not committed"
SHORT_COPIES = "a copy shorter than head_length is taken for a new log: doubled"


class FollowedLog(LogWriter):
    """A directory with a log, a server that writes numbered lines, and a follower to step."""

    def __init__(
        self,
        directory: Path,
        *,
        limit: int = 1 << 16,
        rotated: tuple[str, ...] = (),
        from_end: bool = False,
    ) -> None:
        super().__init__(directory / "search.log")
        self.directory = directory
        self.log = LogPaths("main", self.path, limit, rotated, from_end)
        self.now = 1_000_000
        self.expected: Counter[bytes] = Counter()
        self.counted: Counter[bytes] = Counter()
        self.too_long = 0
        self.unsaved: Counter[bytes] = Counter()
        self.unsaved_long = 0
        self.events: Counter[str] = Counter()
        self.stored: dict[int, GenerationPosition] = {}
        self.finished: dict[tuple[int, int], FinishedFile] = {}
        self.numbers = itertools.count(1)
        self.serial = itertools.count(1)
        self.full = False
        """Nothing can be stored."""
        self.follower = self._start(fresh=True)

    def _start(self, *, fresh: bool) -> Follower:
        stored = [self.stored[number] for number in sorted(self.stored)]
        self.counted_before: dict[int, Counter[bytes]] = {}
        self.last_known: dict[int, bool] = {}
        return Follower(
            self.log,
            FixedKeys(),
            stored,
            self.numbers.__next__,
            first_start=fresh,
            finished=list(self.finished.values()),
            begin=self._begin,
        )

    def _begin(self) -> int:
        """What the engine does before a file that may be a copy: it stores all before it."""
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        self.commit()
        return 1 if self.counted else 0

    @property
    def complaint(self) -> str:
        """What the follower says is wrong; empty where nothing is."""
        return self.follower.error or ""

    def lines(self, count: int = 1, width: int = 0) -> bytes:
        """New lines, which the follower is expected to count."""
        made = [b"%08d zqorv" % next(self.serial) + b"x" * width for _ in range(count)]
        self.expected.update(made)
        return b"".join(line + b"\n" for line in made)

    def write(self, count: int = 1, path: Path | None = None, width: int = 0) -> None:
        """Append lines to the log, or to another file."""
        self.append(self.lines(count, width), path)

    def rotate(self, ending: str = ".1", *, create: bool = True) -> Path:
        """Rename the log, moving older numbers up, and create a new one."""
        moved = self.rename(None if ending == ".1" else self.sibling(ending))
        if create:
            self.path.touch()
        return moved

    def archive(self, lines: int, rest: float, *, keep: bool = False) -> tuple[Path, bytes]:
        """An archive of new lines that is cut to a part, made while stopped; what it should be."""
        self.follower.close()
        self.write(lines)
        packed = self.compress(self.rotate(), keep=keep)
        whole = packed.read_bytes()
        packed.write_bytes(whole[: int(len(whole) * rest)])
        self.restart()
        return packed, whole

    def read(self) -> None:
        """Read everything there is, without a commit."""
        while (block := self.follower.read(self.now)) is not None:
            result = bytes(block.data).split(b"\n")
            if not result[-1]:
                result.pop()
            new = list(self._new(block, result))
            if any(map(_serial, new)):
                self.follower.registry.note_new(block.generation, went_on=False)
            self.unsaved.update(new)
            self.unsaved_long += block.too_long

    def read_serials(self) -> list[int]:
        """Read everything there is, and give the numbers of the lines in their order."""
        serials = []
        while (block := self.follower.read(self.now)) is not None:
            serials += [int(line[:8]) for line in bytes(block.data).splitlines()]
        return serials

    def _new(self, block: LineBlock, lines: Sequence[bytes]) -> Iterator[bytes]:
        """What the recogniser leaves of a file that may be a copy: lines not counted before it."""
        if not block.compare_until:
            yield from lines
            return
        before = self.counted_before.setdefault(block.generation, Counter(self.counted))
        known = {
            line: min(before[line], count)
            for line, count in Counter(filter(_serial, lines)).items()
        }
        first = next(filter(_serial, lines), b"")
        last = self.last_known.get(block.generation, bool(known.get(first)))
        for line in lines:
            if _serial(line):
                last = bool(known[line])
                known[line] -= last
                before[line] -= last
            if not last:
                yield line
        self.last_known[block.generation] = last

    def roll_back(self) -> None:
        """What was read since the last commit is read again."""
        self.counted_before.clear()
        self.last_known.clear()
        self.unsaved, self.unsaved_long = Counter(), 0
        self.follower.roll_back()

    def read_in_vain(self) -> None:
        """Look and read while nothing can be stored."""
        self.now += STEP
        self.full = True
        self.follower.scan(self.now)
        with contextlib.suppress(sqlite3.OperationalError):
            self.read()
        self.roll_back()
        self.full = False

    def commit(self) -> None:
        """Store counts, positions and finished files together."""
        self.counted.update(self.unsaved)
        self.too_long += self.unsaved_long
        positions, finished = self.follower.positions(), self.follower.registry.finished_to_store()
        for position in positions:
            if position.ended:
                self.stored.pop(position.id, None)
            else:
                self.stored[position.id] = position
        for file in finished:
            if file.gone:
                self.finished.pop((file.device, file.inode), None)
            else:
                self.finished[file.device, file.inode] = file
        self.follower.committed(positions, finished)
        self.events.update(self.follower.events)
        self.follower.events.clear()
        self.unsaved, self.unsaved_long = Counter(), 0

    def tick(self, ms: int = STEP, *, times: int = 1) -> None:
        """Let the clock go on, scan, read and commit."""
        for _ in range(times):
            self.now += ms
            self.unsaved, self.unsaved_long = Counter(), 0
            self.follower.scan(self.now)
            self.read()
            self.commit()

    def crash(self) -> None:
        """Read without a commit, and die."""
        self.now += STEP
        self.unsaved, self.unsaved_long = Counter(), 0
        self.follower.scan(self.now)
        self.read()
        self.restart()

    def restart(self) -> None:
        """Stop and start again from what was stored."""
        self.follower.close()
        self.unsaved, self.unsaved_long = Counter(), 0
        self.now += STEP
        self.follower = self._start(fresh=False)

    def settle(self) -> None:
        """Step long enough for last lines, missing files and descriptors to be decided on."""
        self.tick()
        self.tick(LAST_LINE_DELAY)
        self.tick(MISSING_FILE_TIMEOUT)
        self.tick(DESCRIPTOR_HOLD_TIME)
        self.tick()

    def exact(self) -> None:
        """Every expected line was counted once, and nothing else was."""
        lost, doubled = self.expected - self.counted, self.counted - self.expected
        assert (lost.total(), doubled.total()) == (0, 0), (sorted(lost)[:3], sorted(doubled)[:3])


def _serial(line: bytes) -> bool:
    """Is it a line of the server's, rather than a banner, say?"""
    return line[:8].isdigit()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[FollowedLog]:
    """A log of 100 counted lines."""
    made = FollowedLog(tmp_path)
    made.write(100)
    made.tick()
    made.exact()
    yield made
    made.follower.close()


# -- rotation ------------------------------------------------------------------------------


def test_rename_and_create_loses_and_doubles_nothing(rig: FollowedLog) -> None:
    """The classic rotation, five times, with unread lines on both sides of it."""
    for _ in range(5):
        rig.write(10)
        rig.rotate()
        rig.write(7)
        rig.tick()
    rig.settle()
    rig.exact()
    assert rig.events["rotations"] == 5


def test_a_gap_between_rename_and_create_is_no_loss(rig: FollowedLog) -> None:
    """While the log's name is missing the renamed file is still read to its end."""
    rig.write(10)
    moved = rig.rotate(create=False)
    rig.tick()
    assert rig.follower.live is None
    assert rig.follower.error is not None
    rig.write(5, moved)
    rig.tick(times=2)
    rig.write(9)
    rig.tick()
    rig.settle()
    rig.exact()
    assert rig.follower.error is None


def test_a_writer_that_keeps_the_renamed_file_open_is_read_from_both(rig: FollowedLog) -> None:
    """Servers that never reopen go on writing into the renamed file, for hours."""
    moved = rig.rotate()
    for _ in range(5):
        rig.write(3, moved)
        rig.write(2)
        rig.tick(DESCRIPTOR_HOLD_TIME)
    rig.settle()
    rig.write(4, moved)
    rig.tick(times=2)
    rig.exact()


def test_a_renamed_file_that_grows_again_after_its_release_is_read_again(rig: FollowedLog) -> None:
    """A descriptor that was given back costs no line written much later."""
    moved = rig.rotate()
    rig.settle()
    rig.tick(DESCRIPTOR_HOLD_TIME, times=3)
    rig.write(8, moved)
    rig.tick(times=2)
    rig.exact()


def test_several_rotations_between_two_scans_lose_no_file(rig: FollowedLog) -> None:
    """Files that came and went between two looks are found under their rotated names."""
    for _ in range(6):
        rig.write(5)
        rig.rotate()
    rig.write(3)
    rig.tick()
    rig.settle()
    rig.exact()


@pytest.mark.parametrize("rotations", [1, 2, 5])
def test_rotations_while_stopped_are_caught_up_with(rig: FollowedLog, rotations: int) -> None:
    """Unread tails and whole unread files of the time of the stop are read after it."""
    rig.follower.close()
    for _ in range(rotations):
        rig.write(11)
        rig.rotate()
    rig.write(4)
    rig.restart()
    rig.tick()
    rig.settle()
    rig.exact()


def test_what_was_the_log_at_the_last_look_is_read_after_older_files(rig: FollowedLog) -> None:
    """Rotated before it was read: at the start it was found before them."""
    rig.follower.close()
    for age in (20, 10):
        rig.write(5)
        os.utime(rig.path, (1_795_000_000 - age, 1_795_000_000 - age))
        rig.rotate()
    rig.write(5)
    rig.restart()
    rig.follower.scan(rig.now)
    rig.rotate()
    rig.write(5)
    rig.follower.scan(rig.now)
    assert rig.read_serials() == list(range(101, 121))


def test_a_file_that_is_renamed_during_a_look_is_found_in_it(
    rig: FollowedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the name that was listed stands the next file then."""
    rig.follower.close()
    rig.write(5)
    rig.rotate()
    rig.write(5)
    rig.restart()
    listed = LogPaths.rotated_files

    def rotate_behind(log: LogPaths) -> Iterator[tuple[Path, os.stat_result]]:
        items = list(listed(log))
        monkeypatch.setattr(LogPaths, "rotated_files", listed)
        rig.rotate()
        rig.write(5)
        return iter(items)

    monkeypatch.setattr(LogPaths, "rotated_files", rotate_behind)
    rig.follower.scan(rig.now)
    assert rig.read_serials() == list(range(101, 116))


def test_a_symlink_that_is_pointed_elsewhere_is_followed(tmp_path: Path) -> None:
    """Both targets are read to their ends, while the link is missing and dangling too."""
    rig = FollowedLog(tmp_path)
    first, second = tmp_path / "day-1.txt", tmp_path / "day-2.txt"
    rig.write(10, first)
    rig.path.symlink_to(first)
    rig.tick()
    rig.write(5, first)
    rig.path.unlink()
    rig.tick()
    rig.path.symlink_to(second)
    rig.tick()
    rig.write(6, second)
    rig.write(2, first)
    rig.tick()
    rig.settle()
    rig.exact()


def test_a_symlink_retargeted_while_stopped_is_exact_with_patterns(tmp_path: Path) -> None:
    """Dated files behind a link are siblings when the settings say so."""
    rig = FollowedLog(tmp_path, rotated=("day-*.txt",))
    first, second = tmp_path / "day-1.txt", tmp_path / "day-2.txt"
    rig.write(10, first)
    rig.path.symlink_to(first)
    rig.tick()
    rig.follower.close()
    rig.write(5, first)
    rig.path.unlink()
    rig.path.symlink_to(second)
    rig.write(6, second)
    rig.restart()
    rig.settle()
    rig.exact()


def test_a_file_moved_to_another_directory_is_read_to_its_end(rig: FollowedLog) -> None:
    """A log moved out of sight is still open, so its last lines count."""
    elsewhere = rig.directory / "elsewhere"
    elsewhere.mkdir()
    rig.write(5)
    rig.path.rename(elsewhere / "kept.log")
    rig.path.touch()
    rig.tick()
    rig.write(5, elsewhere / "kept.log")
    rig.write(3)
    rig.tick(DESCRIPTOR_HOLD_TIME)
    rig.write(2, elsewhere / "kept.log")
    rig.tick()
    rig.settle()
    rig.exact()


def test_many_open_rotated_files_are_given_back(rig: FollowedLog) -> None:
    """More than MAX_DRAINED_OPEN files moved out of sight do not hold descriptors for ever."""
    elsewhere = rig.directory / "elsewhere"
    elsewhere.mkdir()
    for number in range(MAX_DRAINED_OPEN + 8):
        rig.write(2)
        rig.path.rename(elsewhere / f"{number}.log")
        rig.path.touch()
        rig.tick()
    rig.settle()
    rig.tick(DESCRIPTOR_HOLD_TIME)
    rig.exact()
    held = [g for g in rig.follower.registry.all_generations if g.file is not None]
    assert len(held) <= MAX_DRAINED_OPEN + 1


def test_finished_files_leave_nothing_of_their_content(rig: FollowedLog) -> None:
    """A year of rotations costs nothing; one whose file comes back and grows is compared."""
    for _ in range(30):
        rig.write(3)
        content = rig.path.read_bytes()
        rig.rotate(".old").unlink()
        rig.tick()
        rig.tick(DESCRIPTOR_HOLD_TIME)
    assert len(rig.stored) == 1  # The end of the last one tells how the next log goes on.
    rig.write(1)
    rig.settle()
    assert rig.follower.registry.all_generations == [rig.follower.live]
    assert {position.state for position in rig.stored.values()} <= {OPEN}
    back = rig.sibling(".9")
    back.write_bytes(content)
    rig.tick(times=4)
    rig.settle()
    rig.tick(DESCRIPTOR_HOLD_TIME, times=2)
    assert rig.follower.registry.all_generations == [rig.follower.live]
    assert back.stat().st_ino in {inode for _, inode in rig.finished}
    rig.write(2, back)
    rig.tick()
    rig.settle()
    rig.exact()
    back.unlink()
    rig.tick()
    assert not rig.finished


def test_a_hard_link_is_the_same_file(rig: FollowedLog) -> None:
    """A second name of the log, even one that looks rotated, is not counted again."""
    os.link(rig.path, rig.sibling(".1"))
    rig.write(5)
    rig.tick()
    rig.restart()
    rig.tick()
    rig.write(5)
    rig.tick()
    rig.settle()
    rig.exact()


def test_an_atomic_replacement_that_keeps_the_content_is_the_same_log(rig: FollowedLog) -> None:
    """A tool that writes a new file over the log's name with the same lines and more."""
    fresh = rig.directory / "temporary"
    fresh.write_bytes(rig.path.read_bytes() + rig.lines(5))
    fresh.rename(rig.path)
    rig.tick()
    rig.write(3)
    rig.tick()
    rig.settle()
    rig.exact()


def test_an_atomic_replacement_by_other_content_is_a_new_log(rig: FollowedLog) -> None:
    """Nothing of the new file is skipped, and the unread rest of the old one is counted."""
    rig.write(4)
    fresh = rig.directory / "temporary"
    fresh.write_bytes(rig.lines(5))
    fresh.rename(rig.path)
    rig.tick()
    rig.settle()
    rig.exact()


# -- compression ---------------------------------------------------------------------------


@pytest.mark.parametrize("stopped", [False, True])
def test_the_gz_twin_of_a_counted_file_is_not_counted(rig: FollowedLog, stopped: bool) -> None:
    """Compressed beside the original, then instead of it; running and stopped."""
    rig.write(5)
    moved = rig.rotate()
    rig.tick()
    if stopped:
        rig.follower.close()
    rig.compress(moved, keep=True)
    if stopped:
        rig.restart()
    rig.tick()
    moved.unlink()
    rig.settle()
    rig.restart()
    rig.settle()
    rig.exact()


def test_a_gz_with_an_unread_tail_is_read_once(rig: FollowedLog) -> None:
    """Rotated and compressed while stopped: the tail comes out of the archive."""
    rig.follower.close()
    rig.write(20)
    rig.compress(rig.rotate())
    rig.write(3)
    rig.restart()
    rig.tick()
    rig.exact()
    rig.settle()
    rig.restart()
    rig.settle()
    rig.exact()


def test_a_gz_that_is_still_being_written_is_waited_for(rig: FollowedLog) -> None:
    """Half an archive is no archive: nothing of it doubles and nothing of it is lost."""
    rig.follower.close()
    rig.write(20_000)
    moved = rig.rotate()
    whole = gzip.compress(moved.read_bytes())
    moved.unlink()
    packed = rig.sibling(".1.gz")
    rig.restart()
    for end in (1, 9, 100, len(whole) // 2, len(whole) - 4):
        packed.write_bytes(whole[:end])
        rig.tick()
    packed.write_bytes(whole)
    rig.tick(times=2)
    rig.settle()
    rig.exact()


def test_an_archive_that_stays_damaged_is_told_and_read_when_it_is_restored(
    rig: FollowedLog,
) -> None:
    """Not while it may be growing; then once in the count of errors, and as long as it is so."""
    packed, whole = rig.archive(2_000, 0.9)
    rig.tick()
    assert rig.complaint == ""
    for _ in range(20):
        rig.tick()
    assert "search.log.1.gz: damaged or cut short" in rig.complaint
    assert rig.events["read_errors"] == 1
    packed.write_bytes(whole)
    rig.tick(times=2)
    assert rig.complaint == ""
    rig.settle()
    rig.exact()


def test_an_archive_damaged_far_behind_is_read_once_until_it_is_restored(
    rig: FollowedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is before the damage is counted; to look for more each time would cost all of it."""
    looks = Counter[int]()
    real = CompressedFile.read

    def counted(file: CompressedFile, offset: int, length: int) -> bytes:
        looks[offset] += 1
        return real(file, offset, length)

    monkeypatch.setattr(CompressedFile, "read", counted)
    packed, whole = rig.archive(150_000, 0.9)
    assert len(gzip.decompress(whole)) > 1 << 21
    rig.tick(times=2)  # Only the second time it is sure that it has been read as it is.
    once = looks.total()
    for _ in range(40):
        rig.tick()
    assert looks.total() == once
    assert rig.complaint.startswith(f"{packed}: damaged or cut short")
    assert rig.events["read_errors"] == 1
    assert rig.follower.caught_up
    assert not rig.follower.registry.has_missing_files
    packed.write_bytes(whole)
    rig.tick(times=3)
    assert rig.complaint == ""
    rig.settle()
    rig.exact()


def test_a_whole_file_beside_its_damaged_archive_is_read(rig: FollowedLog) -> None:
    """What is not in the archive of the same content comes out of the file itself."""
    packed, _ = rig.archive(150_000, 0.9, keep=True)
    os.utime(packed, ns=(0, 0))
    for _ in range(40):
        rig.tick()
    assert rig.complaint.startswith(f"{packed}: damaged or cut short")
    rig.settle()
    rig.exact()


def test_a_slowly_growing_archive_is_waited_for(rig: FollowedLog) -> None:
    """Under a name that tells nothing until it is compressed, as some frameworks rotate."""
    rig.write(150_000)
    block = rig.follower.read(rig.now)
    assert block is not None
    rig.unsaved.update(bytes(block.data).splitlines())
    rig.commit()
    away = rig.rotate().rename(rig.path.with_name("elsewhere"))
    rig.follower.close()
    rig.restart()
    whole = gzip.compress(away.read_bytes())
    packed = rig.sibling(".1.gz")
    for part in range(1, 61):
        packed.write_bytes(whole[: len(whole) * part // 60])
        rig.tick()
    rig.tick(times=3)
    assert rig.events["lost_bytes"] == 0
    rig.settle()
    rig.exact()


def test_an_archive_that_could_not_be_stored_is_read_again(rig: FollowedLog) -> None:
    """It was read to its end, and nothing of it is in the database: it is not given back."""
    rig.write(3)
    rig.rotate()
    rig.settle()
    rig.append(rig.lines(2))
    rig.compress(rig.copytruncate(rig.sibling(".2")))
    rig.now += STEP
    rig.follower.scan(rig.now)
    rig.read()
    rig.roll_back()
    rig.tick(LAST_LINE_DELAY)
    rig.settle()
    rig.exact()


def test_an_error_while_an_archive_is_left_is_no_other(
    rig: FollowedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the directory cannot be listed either, the live log is followed all the same."""
    packed, whole = rig.archive(150_000, 0.9)
    rig.follower.scan(rig.now)

    def denied(_log: LogPaths) -> list[tuple[Path, os.stat_result]]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(LogPaths, "rotated_files", denied)
    rig.write(7)
    rig.read()
    rig.commit()
    monkeypatch.undo()
    packed.write_bytes(whole)
    rig.tick(times=3)
    rig.settle()
    rig.exact()


def test_an_archive_on_a_bad_sector_stands_in_nobodys_way(
    rig: FollowedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with what the system says; the log is followed and caught up with."""
    real = CompressedFile.read

    def failing(file: CompressedFile, offset: int, length: int) -> bytes:
        if offset + length > 1 << 20:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(file, offset, length)

    packed, _ = rig.archive(150_000, 1)
    monkeypatch.setattr(CompressedFile, "read", failing)
    rig.write(3)
    for _ in range(40):
        rig.tick()
    assert rig.complaint == f"{packed}: Input/output error"
    assert rig.events["read_errors"] == 1
    assert rig.follower.caught_up
    monkeypatch.undo()
    packed.touch()
    rig.tick(times=3)
    assert rig.complaint == ""
    rig.settle()
    rig.exact()


def test_all_damaged_archives_are_told_up_to_three(rig: FollowedLog) -> None:
    """One that is restored leaves the others in the complaint."""
    rig.follower.close()
    rig.write(20)
    whole = gzip.compress(b"zqorv\n" * 5_000, mtime=0)
    for number in range(1, 6):
        rig.sibling(f".{number}.gz").write_bytes(whole[: -number - 4])
    rig.restart()
    for _ in range(20):
        rig.tick()
    assert len(re.findall(r"search\.log\.\d\.gz: damaged", rig.complaint)) == 3
    assert rig.complaint.endswith("; and 2 more files")
    assert rig.events["read_errors"] == 5
    for number in range(1, 5):
        rig.sibling(f".{number}.gz").unlink()
    rig.tick(times=2)
    assert rig.complaint == (
        f"{rig.sibling('.5.gz')}: damaged or cut short, and not counted from there on; restore it"
    )


@pytest.mark.parametrize("keep", [True, False])
def test_an_unread_file_and_its_gz_twin_are_counted_once(rig: FollowedLog, keep: bool) -> None:
    """Written, rotated and compressed between two looks; the empty log had been seen before."""
    rig.rotate()
    rig.tick()
    rig.write(500)
    rig.compress(rig.rotate(), keep=keep)
    rig.tick()
    rig.settle()
    rig.exact()


def test_a_start_while_a_file_is_being_compressed_counts_it_once(rig: FollowedLog) -> None:
    """Rotated twice while stopped; gzip still has both the original and the archive there."""
    rig.follower.close()
    rig.rotate()
    rig.write(500)
    moved = rig.rotate()
    packed = rig.compress(moved, keep=True)
    rig.restart()
    rig.tick()
    moved.unlink()
    rig.settle()
    assert packed.exists()
    rig.exact()


# -- truncation ----------------------------------------------------------------------------


def test_copytruncate_of_an_idle_log(rig: FollowedLog) -> None:
    """The copy holds what was counted, and the emptied log starts anew."""
    rig.copytruncate(rig.sibling(".1"))
    rig.tick()
    rig.write(5)
    rig.tick()
    rig.settle()
    rig.exact()
    assert rig.events["truncations"] == 1
    assert not rig.events["lost_bytes"]


@pytest.mark.parametrize(
    "look",
    [False, pytest.param(True)],
    ids=["unseen", "copy seen first"],
)
def test_copytruncate_of_a_busy_log_reads_the_tail_in_the_copy(
    rig: FollowedLog, look: bool
) -> None:
    """What was not read before the truncation is in the copy, and only there."""
    for _ in range(4):
        rig.write(10)
        if look:
            shutil.copyfile(rig.path, rig.sibling(".1"))
            rig.tick()
            rig.write(2)
        rig.copytruncate(rig.sibling(".1"))
        rig.write(3)
        rig.tick()
        rig.sibling(".1").rename(rig.sibling(f"-{next(rig.serial):08d}"))
    rig.settle()
    rig.exact()


def test_a_copy_in_the_making_is_not_counted_twice(rig: FollowedLog) -> None:
    """While the copy grows it is shorter than what is counted already."""
    content = rig.path.read_bytes()
    copy = rig.sibling(".1")
    for end in range(0, len(content), 500):
        copy.write_bytes(content[:end])
        rig.tick(100)
    copy.write_bytes(content)
    os.truncate(rig.path, 0)
    rig.tick()
    rig.write(2)
    rig.settle()
    rig.exact()


@pytest.mark.parametrize("count", [pytest.param(0), 500])
def test_lines_counted_after_the_copy_was_made_are_not_doubled_by_it(
    rig: FollowedLog, count: int
) -> None:
    """The copy ends before the offset: it holds nothing new, now and after a restart."""
    rig.write(count)
    rig.tick()
    shutil.copyfile(rig.path, rig.sibling(".1"))
    rig.write(10)
    rig.tick()
    os.truncate(rig.path, 0)
    rig.write(3)
    rig.tick()
    rig.settle()
    rig.compress(rig.sibling(".1"))
    rig.restart()
    rig.settle()
    rig.exact()


def test_truncated_and_refilled_beyond_the_old_offset(rig: FollowedLog) -> None:
    """A log that is longer than before by the next scan is known by its content (peers: s06)."""
    os.truncate(rig.path, 0)
    rig.write(300)
    rig.tick()
    rig.settle()
    rig.exact()
    assert rig.events["generation_mismatches"] == 1


def test_rewritten_to_exactly_the_same_size(rig: FollowedLog) -> None:
    """Size and inode say that nothing happened; the content says otherwise (peers: s07)."""
    size = rig.path.stat().st_size
    rig.path.write_bytes(rig.lines(100))
    assert rig.path.stat().st_size == size
    rig.tick()
    rig.settle()
    rig.exact()


@pytest.mark.parametrize("count", [10, 100, 300])
def test_truncated_while_stopped(rig: FollowedLog, count: int) -> None:
    """Shorter, as long as before, or longer afterwards."""
    rig.follower.close()
    os.truncate(rig.path, 0)
    rig.write(count)
    rig.restart()
    rig.tick()
    rig.settle()
    rig.exact()


@pytest.mark.parametrize("hole", [1_800, 3 << 20])
def test_a_hole_of_nul_bytes_is_stepped_over(tmp_path: Path, hole: int) -> None:
    """A writer that does not append leaves NULs where its lines were (peers: s21)."""
    rig = FollowedLog(tmp_path)
    with rig.path.open("wb") as log:
        log.write(rig.lines(10))
        log.flush()
        rig.tick()
        os.truncate(rig.path, 0)
        log.seek(hole)
        log.write(rig.lines(5))
        log.flush()
        rig.tick()
        log.write(rig.lines(2))
    rig.tick()
    rig.settle()
    rig.exact()


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("left", [0.5, 0.9])
def test_a_log_that_lost_its_last_lines_is_not_counted_again(
    tmp_path: Path, running: bool, left: float
) -> None:
    """After a power cut the log may end before the stored offset: its head is still known."""
    rig = FollowedLog(tmp_path)
    rig.write(1000)
    rig.tick()
    content = rig.path.read_bytes()
    if not running:
        rig.follower.close()
    os.truncate(rig.path, content.rfind(b"\n", 0, int(len(content) * left)) + 1)
    if not running:
        rig.restart()
    rig.tick()
    rig.write(5)
    rig.tick()
    rig.settle()
    rig.exact()
    assert rig.events["truncations"] == 1


def test_a_shorter_log_with_the_same_first_4096_bytes_is_told_as_truncated(tmp_path: Path) -> None:
    """Its lines are known, and that what was added to the old one is nowhere is said."""
    rig = FollowedLog(tmp_path)
    banner = rig.lines(1, width=HEAD)
    rig.append(banner)
    rig.write(3)
    rig.tick()
    rig.follower.close()
    rig.path.unlink()
    rig.path.write_bytes(banner)
    rig.restart()
    rig.settle()
    rig.exact()
    assert rig.events["truncations"] + rig.events["lost_bytes"] > 0
    assert "is nowhere" in rig.complaint


# -- identity ------------------------------------------------------------------------------


def test_a_recreated_file_with_the_same_inode_is_a_new_log(rig: FollowedLog) -> None:
    """The inode of a deleted log is given to the next one again and again (fluent-bit#8025)."""
    rig.follower.close()
    inode = rig.path.stat().st_ino
    for attempt in range(200):
        rig.path.unlink()
        rig.path.touch()
        if rig.path.stat().st_ino == inode:
            break
        (rig.directory / f"filler{attempt}").touch()
    rig.write(200)
    rig.restart()
    rig.tick()
    rig.settle()
    rig.exact()


def test_deleted_and_recreated_while_running(rig: FollowedLog) -> None:
    """The unread rest of a deleted log is read through its descriptor."""
    for _ in range(10):
        rig.write(3)
        rig.path.unlink()
        rig.write(2)
        rig.tick()
    rig.settle()
    rig.exact()


@pytest.mark.parametrize("stopped", [False, True])
def test_two_files_with_the_same_first_kilobyte(tmp_path: Path, stopped: bool) -> None:
    """A banner at the top of every log does not make two logs one."""
    rig = FollowedLog(tmp_path)
    banner = b"# " + b"zqorv " * 170 + b"\n"
    rig.append(banner)
    rig.write(10)
    rig.tick()
    if stopped:
        rig.follower.close()
    rig.write(3)
    rig.rotate()
    rig.append(banner)
    rig.write(5)
    if stopped:
        rig.restart()
    rig.tick()
    rig.settle()
    rig.expected[banner.strip(b"\n")] = 2
    rig.exact()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_log_of_which_only_the_banner_was_read_is_not_taken_for_the_next(
    tmp_path: Path, stopped: bool
) -> None:
    """Both logs begin with the banner; numbered lines of both must be counted."""
    rig = FollowedLog(tmp_path)
    banner = b"# zqorv log of the server\n"
    rig.append(banner)
    rig.tick()
    if stopped:
        rig.follower.close()
    rig.write(3)
    rig.rotate()
    rig.append(banner)
    rig.write(5)
    if stopped:
        rig.restart()
    rig.tick()
    rig.settle()
    del rig.counted[banner.strip(b"\n")]
    rig.exact()


def test_a_file_that_grows_byte_by_byte(tmp_path: Path) -> None:
    """Each byte is a write of its own, with a restart between every few of them."""
    rig = FollowedLog(tmp_path)
    for number, byte in enumerate(rig.lines(12)):
        rig.append(bytes([byte]))
        rig.tick()
        if number % 7 == 3:
            rig.restart()
    rig.exact()
    rig.rotate()
    rig.write(1)
    rig.settle()
    rig.exact()


# -- lines ---------------------------------------------------------------------------------


def test_a_partial_line_is_completed_once_over_a_restart(rig: FollowedLog) -> None:
    """Half a line is not read; the whole is, after the stop."""
    line = rig.lines()
    rig.append(line[:9])
    rig.tick()
    assert rig.follower.registry.lag_bytes == 9
    rig.crash()
    rig.restart()
    rig.tick()
    rig.append(line[9:])
    rig.tick()
    rig.exact()
    assert rig.follower.registry.lag_bytes == 0


@pytest.mark.parametrize("stopped", [False, True])
def test_an_unterminated_last_line_counts_when_its_file_is_over(
    rig: FollowedLog, stopped: bool
) -> None:
    """Once rotated and quiet, what has no line feed is a line, and once only."""
    rig.append(rig.lines().rstrip(b"\n"))
    rig.tick()
    rig.tick(LAST_LINE_DELAY * 3)
    assert rig.expected - rig.counted, "the live log's last line may still grow"
    rig.rotate()
    if stopped:
        rig.restart()
    rig.write(3)
    rig.settle()
    rig.exact()
    rig.restart()
    rig.settle()
    rig.compress(rig.sibling(".1"))
    rig.settle()
    rig.exact()


def test_carriage_returns_and_characters_may_be_split_anywhere(rig: FollowedLog) -> None:
    """A write may end inside CRLF and inside a UTF-8 character."""
    text = "zqorv é中\U0001f600".encode()
    for cut in range(1, len(text) + 2):
        whole = b"%03d " % cut + text + b"\r\n"
        rig.expected[whole[:-1]] += 1
        rig.append(whole[: cut + 4])
        rig.tick()
        rig.append(whole[cut + 4 :])
        rig.tick()
    rig.exact()


def test_empty_lines_and_empty_files_are_counted_as_they_are(tmp_path: Path) -> None:
    """Only line feeds, no byte at all, and an empty file that is rotated."""
    rig = FollowedLog(tmp_path)
    rig.path.touch()
    rig.tick()
    rig.rotate()
    rig.tick()
    rig.append(b"\n\n\n")
    rig.tick()
    rig.rotate()
    rig.append(b"\n")
    rig.tick()
    rig.settle()
    rig.expected[b""] = 4
    rig.exact()


def test_over_long_lines_are_counted_and_the_next_line_too(tmp_path: Path) -> None:
    """Over-long lines of any size, read in any steps, with restarts inside them."""
    rig = FollowedLog(tmp_path, limit=1000)
    for size in (999, 1001, 5_000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_333_333):
        rig.write()
        for start in range(0, size, 700_001):
            rig.append(b"z" * min(700_001, size - start))
            rig.tick()
            rig.restart()
        rig.append(b"\n")
        rig.write()
        rig.tick()
        if size <= 1000:
            rig.expected[b"z" * size] += 1
    rig.exact()
    assert rig.too_long == 6


def test_an_over_long_line_that_never_ends_is_counted_when_its_file_is_over(
    rig: FollowedLog,
) -> None:
    """Rotated in the middle of an over-long line: one line too long, nothing else."""
    rig.append(b"z" * 200_000)
    rig.tick()
    rig.rotate()
    rig.write(2)
    rig.settle()
    rig.restart()
    rig.settle()
    rig.exact()
    assert rig.too_long == 1


# -- what is missing or cannot be read ------------------------------------------------------


def test_a_log_and_directory_that_appear_later(tmp_path: Path) -> None:
    """Nothing is there at the start, then everything, then the directory is made anew."""
    rig = FollowedLog(tmp_path / "not" / "yet")
    rig.tick(times=3)
    assert rig.follower.error is not None
    assert not rig.follower.last_scan_failed
    rig.directory.mkdir(parents=True)
    rig.tick()
    rig.write(10)
    rig.tick()
    rig.exact()
    shutil.rmtree(rig.directory)
    rig.tick()
    rig.directory.mkdir()
    rig.write(4)
    rig.tick()
    rig.settle()
    rig.exact()


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_something_else_in_place_of_the_log_is_named(rig: FollowedLog, kind: str) -> None:
    """A directory or a pipe is refused without hanging, and the log's return is noticed."""
    moved = rig.rotate(create=False)
    rig.path.mkdir() if kind == "directory" else os.mkfifo(rig.path)
    rig.write(3, moved)
    rig.tick(times=2)
    assert rig.follower.error is not None
    assert "regular file" in rig.follower.error or "directory" in rig.follower.error
    rig.path.rmdir() if kind == "directory" else rig.path.unlink()
    rig.write(4)
    rig.tick()
    rig.settle()
    rig.exact()


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf_16_is_refused(tmp_path: Path, mark: bytes) -> None:
    """A wide encoding would be counted as nonsense: it is refused with a remedy."""
    rig = FollowedLog(tmp_path)
    rig.append(mark + "zqorv\n".encode("utf-16-le"))
    rig.tick(times=2)
    assert rig.counted.total() == 0
    assert rig.follower.error is not None
    assert "UTF-16 -> have" in rig.follower.error
    assert rig.follower.live_unreadable


def test_a_failing_read_is_not_taken_for_the_end(
    rig: FollowedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that gives EIO is not caught up with, and is read on when it works again."""
    real = PlainFile.read

    def fail(self: PlainFile, offset: int, length: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    rig.write(5)
    monkeypatch.setattr(PlainFile, "read", fail)
    rig.tick(times=3)
    error, caught_up = rig.follower.error, rig.follower.caught_up
    monkeypatch.setattr(PlainFile, "read", real)
    rig.tick()
    rig.exact()
    assert error is not None
    assert rig.events["read_errors"] == 3
    assert not caught_up


def test_a_new_log_that_cannot_be_read_leaks_no_descriptor(
    rig: FollowedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each failed look gives its descriptor back, or a minute of EIO is a day of EMFILE."""
    rig.rotate()
    rig.write(3)
    real = PlainFile.read

    def fail(self: PlainFile, offset: int, length: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    rig.tick()
    rig.rotate()
    rig.write(3)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as failing:
        failing.setattr(PlainFile, "read", fail)
        rig.tick(times=20)
    after = len(list(Path("/proc/self/fd").iterdir()))
    assert PlainFile.read is real
    rig.settle()
    rig.exact()
    assert after <= before + 1


def test_a_symlink_to_itself_is_an_error_and_no_crash(rig: FollowedLog) -> None:
    """ELOOP is one more way of not being there."""
    rig.rotate(create=False)
    rig.path.symlink_to(rig.path.name)
    rig.settle()
    assert rig.follower.last_scan_failed
    assert rig.follower.error is not None
    rig.path.unlink()
    rig.write(3)
    rig.settle()
    rig.exact()


# -- loss ----------------------------------------------------------------------------------


def test_unread_bytes_that_are_gone_are_counted_as_abandoned(rig: FollowedLog) -> None:
    """Nobody can read what was overwritten; how much it was is known and told."""
    expected = rig.expected.copy()
    rig.now += STEP
    rig.write(10)
    rig.follower.scan(rig.now)
    # Seen but not read: as when the database was not ready.
    for generation in rig.follower.registry.all_generations:
        generation.size = rig.path.stat().st_size
    rig.commit()
    rig.restart()
    rig.path.unlink()
    rig.expected = expected
    rig.write(5)
    rig.tick()
    lost = [rig.follower.bytes_lost]
    rig.tick(MISSING_FILE_TIMEOUT)
    lost.append(rig.follower.bytes_lost)
    assert lost == [False, True]
    rig.settle()
    rig.exact()
    assert rig.events["lost_bytes"] == 10 * 15


# -- first start ----------------------------------------------------------------------------


def test_the_first_start_leaves_older_rotated_files_to_the_backfill(tmp_path: Path) -> None:
    """What was rotated away before is history, also when it is compressed or renamed later."""
    rig = FollowedLog(tmp_path)
    rig.write(50, rig.sibling(".1"))
    rig.write(50, rig.sibling(".2"))
    rig.compress(rig.sibling(".2"))
    rig.expected.clear()
    rig.write(10)
    rig.tick()
    rig.exact()
    rig.rotate()
    rig.compress(rig.sibling(".2"))
    rig.write(2)
    rig.tick()
    rig.restart()
    rig.settle()
    rig.exact()


def test_a_long_archive_does_not_keep_the_live_log_waiting(rig: FollowedLog) -> None:
    """Its lines and those of the live log come in turns, and the lag is that of both."""
    rig.follower.close()
    rig.write(30_000, width=400)
    rig.rotate()
    live = rig.lines(1)
    rig.append(live)
    rig.restart()
    rig.now += STEP
    rig.follower.scan(rig.now)
    assert rig.follower.registry.lag_bytes >= len(live)
    before = 0
    while (block := rig.follower.read(rig.now)) is not None and live.rstrip() not in bytes(
        block.data
    ):
        before += block.consumed
        rig.unsaved.update(rig._new(block, bytes(block.data).split(b"\n")[:-1]))
    assert block is not None
    assert 0 < before <= MAX_BYTES_BEFORE_LIVE + rig.follower.read_bytes
    rig.unsaved.update(rig._new(block, bytes(block.data).split(b"\n")[:-1]))
    rig.read()
    rig.commit()
    rig.settle()
    rig.exact()


def test_a_file_that_grows_and_never_was_the_log_is_told_and_not_read(rig: FollowedLog) -> None:
    """Another program's log may have the name of a rotated one, here from the first look on."""
    other = rig.sibling(".7")
    other.write_bytes(b"00009001 fnarbl\n")
    rig.tick()
    for number in range(20):
        rig.append(b"%08d fnarbl\n" % (9002 + number), other)
        rig.tick(500)
    rig.write(5)
    rig.settle()
    assert f"{other}: is written to but was never this log" in rig.complaint
    rig.restart()
    rig.append(b"00009100 fnarbl\n", other)
    rig.settle()
    rig.exact()
    assert f"{other}: is written to" in rig.complaint


def test_a_log_with_the_inode_of_a_file_of_its_history_is_read(tmp_path: Path) -> None:
    """While stopped an old file is deleted, and one that was the log meanwhile has its inode."""
    rig = FollowedLog(tmp_path)
    old = rig.sibling(".7")
    rig.append(b"00000900 zqorv\n", old)
    rig.write(5)
    rig.tick()
    rig.follower.close()
    os.truncate(old, 0)
    rig.write(3, old)
    rig.restart()
    rig.settle()
    rig.exact()
    rig.follower.close()


def test_an_empty_file_that_was_the_log_between_two_looks_is_read_when_it_is_written(
    rig: FollowedLog,
) -> None:
    """By a server that was not told of the rotation, long after it."""
    rig.write(3)
    rig.tick()
    rig.rotate()
    moved = rig.rotate()
    rig.tick()
    rig.settle()
    for _ in range(3):
        rig.write(2, moved)
        rig.tick()
    rig.settle()
    rig.exact()


def test_start_at_the_end_begins_with_the_next_line(tmp_path: Path) -> None:
    """With start = "end" the first start counts only what is written from then on."""
    rig = FollowedLog(tmp_path, from_end=True)
    rig.write(50)
    rig.expected.clear()
    half = rig.lines()
    rig.append(half[:5])
    rig.tick()
    rig.append(half[5:])
    rig.write(3)
    rig.tick()
    rig.restart()
    rig.rotate()
    rig.write(3)
    rig.settle()
    rig.exact()


@pytest.mark.parametrize("from_end", [False, True])
def test_a_rolled_back_first_commit_does_not_forget_where_to_start(
    tmp_path: Path, from_end: bool
) -> None:
    """The first commit fails: history stays history."""
    rig = FollowedLog(tmp_path, from_end=from_end)
    rig.write(20, rig.sibling(".1"))
    rig.expected.clear()
    rig.write(20)
    if from_end:
        rig.expected.clear()
    rig.now += STEP
    rig.follower.scan(rig.now)
    rig.read()
    rig.roll_back()
    rig.write(3)
    rig.tick()
    rig.restart()
    rig.settle()
    rig.exact()


@pytest.mark.parametrize(
    "looks",
    [
        1,
        2,
        pytest.param(3),
        pytest.param(5),
    ],
)
def test_what_was_rolled_back_is_read_again_however_long_it_takes(
    rig: FollowedLog, looks: int
) -> None:
    """A database that fails for minutes after a rotation costs no line of the renamed file."""
    rig.write(10)
    rig.rotate()
    rig.write(2)
    for _ in range(90):
        for _ in range(looks):
            rig.now += STEP // looks
            rig.follower.scan(rig.now)
            rig.read()
        rig.roll_back()
    rig.settle()
    rig.exact()


def test_a_deleted_file_is_not_let_go_before_its_lines_are_stored(rig: FollowedLog) -> None:
    """The only copy of unstored lines is the open descriptor."""
    rig.write(10)
    rig.rotate().unlink()
    rig.write(2)
    for _ in range(90):
        rig.now += 500
        rig.follower.scan(rig.now)
        rig.read()
        rig.now += 500
        rig.follower.scan(rig.now)
        rig.read()
        rig.roll_back()
    rig.settle()
    rig.exact()


def test_a_file_of_before_is_kept_until_what_was_read_of_the_new_one_is_stored(
    rig: FollowedLog,
) -> None:
    """The new one was rewritten between reading and a commit that failed."""
    rig.path.touch()
    rig.tick()
    rig.write(1)
    replacement = rig.path.with_name("replacement")
    shutil.copyfile(rig.path, replacement)
    lost = rig.lines(1)
    rig.append(lost, replacement)
    replacement.rename(rig.path)
    rig.read_in_vain()
    rig.path.write_bytes(rig.lines(2))
    del rig.expected[lost.rstrip()]
    rig.read_in_vain()
    rig.settle()
    rig.exact()
    assert rig.events["lost_bytes"] == len(lost)


def test_what_is_lost_is_told_once_while_nothing_can_be_stored(rig: FollowedLog) -> None:
    """Each commit that failed told the same bytes again: hundreds of times on a full disk."""
    rig.write(1)
    rig.tick()
    lost = rig.lines(1)
    rig.append(lost)
    for turn in range(40):
        rig.read_in_vain()
        if not turn:
            rig.path.write_bytes(b"")
    rig.settle()
    del rig.expected[lost.rstrip()]
    rig.exact()
    assert rig.events["lost_bytes"] == len(lost)


def test_a_log_that_is_rewritten_after_a_failed_commit_and_archived(rig: FollowedLog) -> None:
    """Both rewritings are told as truncations, and a copy of what stood between is counted."""
    rig.write(2)
    rig.tick()
    rig.path.write_bytes(rig.lines(3))
    rig.now += STEP
    rig.follower.scan(rig.now)
    rig.read()
    rig.roll_back()
    shutil.copyfile(rig.path, rig.sibling(".2"))
    rig.follower.scan(rig.now)
    rig.path.write_bytes(rig.lines(3))
    replaced = rig.path.with_name("replaced")
    shutil.copyfile(rig.path, replaced)
    rig.write(1, path=replaced)
    replaced.rename(rig.path)
    rig.compress(rig.copytruncate(rig.sibling(".1")))
    rig.settle()
    rig.exact()
    assert rig.events["truncations"] == 2
    assert not rig.events["lost_bytes"]


def test_names_of_rotated_files() -> None:
    """What logrotate and servers make of a name is known, and nothing else is taken."""
    names = rotated_pattern("search.log")
    for valid in (
        "search.log.1", "search.log.12.gz", "search.log-20261123", "search.log-20261123.zst",
        "search.log-20261123-1700000000", "search.log.old", "search-2026-11-23.log",
        "search.2026-11-23T10:00.log.xz", "search.log.2026_11_23", "search.log.1.bz2",
        "search.log.2.lz4", "search.log.gz.1", "search.log.3.GZ",
    ):  # fmt: skip
        assert names.fullmatch(valid), valid
    for bad in (
        "search.log", "search.log.gz", "search.log.1.zip", "search.log.swp", "research.log.1",
        "search.log.1~", "search.log.tmp", "searchXlog.1", "other.log.1", "search.log.1.gz.part",
    ):  # fmt: skip
        assert not names.fullmatch(bad), bad


# -- everything at once ---------------------------------------------------------------------


class Machine(RuleBasedStateMachine):
    """Whatever a server, logrotate and a crash do in any order, the model's lines are counted."""

    directory: Path
    careful = True
    """Let the follower look before a file gets a twin: see OPEN_FILES."""

    @initialize(directory=st.builds(lambda: _fresh_directory()))
    def begin(self, directory: Path) -> None:
        """An empty log."""
        self.directory = directory
        self.rig = FollowedLog(directory)
        self.rig.path.touch()
        self.rig.tick()
        self.partial = b""
        self.names = itertools.count(1)
        self.rotated: list[Path] = []
        self.copies: list[Path] = []
        """Files that no writer has open."""

    def _flush(self) -> bytes:
        partial, self.partial = self.partial, b""
        return partial

    @rule(count=st.integers(1, 40), width=st.sampled_from((0, 3, 400)))
    def write(self, count: int, width: int) -> None:
        """Whole lines."""
        self.rig.append(self._flush() + self.rig.lines(count, width))

    @rule(data=st.data())
    def write_part(self, data: st.DataObject) -> None:
        """A line whose end comes with the next write."""
        whole = self._flush() + self.rig.lines()
        cut = data.draw(st.integers(0, len(whole)))
        self.rig.append(whole[:cut])
        self.partial = whole[cut:]

    def _whole(self) -> None:
        """Loggers do not rotate within a line."""
        self.rig.append(self._flush())

    @rule()
    def rename(self) -> None:
        """Rename and create, under a name never used before."""
        self._whole()
        if not self.rig.path.stat().st_size:
            return
        self.rotated.append(self.rig.rotate(f".{next(self.names)}"))

    @rule(lines=st.integers(0, 5))
    def write_into_the_renamed_file(self, lines: int) -> None:
        """A writer with the old descriptor."""
        renamed = [p for p in self.rotated if p.suffix != ".gz" and p not in self.copies]
        if renamed:
            self.rig.write(lines, renamed[-1])

    @rule()
    def truncate_with_a_copy(self) -> None:
        """Copytruncate; the copy has a name of its own."""
        self._whole()
        if self.careful:
            self.rig.tick(times=2)
        if self.rig.path.stat().st_size:
            self.rotated.append(self.rig.copytruncate(self.rig.sibling(f".{next(self.names)}")))
            self.copies.append(self.rotated[-1])

    @precondition(lambda self: self.rotated)
    @rule(data=st.data(), keep=st.booleans())
    def compress(self, data: st.DataObject, keep: bool) -> None:
        """A rotated file becomes a .gz, or gets one beside it."""
        plain = [path for path in self.rotated if path.suffix != ".gz"]
        if not plain:
            return
        path = data.draw(st.sampled_from(plain))
        packed = path.with_name(path.name + ".gz")
        if packed.exists():
            return
        if self.careful:
            self.rig.tick(times=2)
        self.rotated.append(self.rig.compress(path, keep=keep))
        self.rotated.remove(path)

    @precondition(lambda self: self.rotated)
    @rule(data=st.data())
    def delete_drained(self, data: st.DataObject) -> None:
        """Logrotate deletes an old file that has been read."""
        self.rig.tick()
        self.rig.tick(UNCHANGED_MS)
        self.rig.tick(LAST_LINE_DELAY)
        path = data.draw(st.sampled_from(self.rotated))
        self.rotated.remove(path)
        path.unlink()

    @rule()
    def restart(self) -> None:
        """Stop and start."""
        self.rig.restart()

    @rule()
    def crash(self) -> None:
        """Read, and die before the commit."""
        self.rig.crash()

    @rule()
    def roll_back(self) -> None:
        """Read, and fail to commit."""
        self.rig.now += STEP
        self.rig.follower.scan(self.rig.now)
        self.rig.read()
        self.rig.roll_back()

    @rule(
        ms=st.sampled_from((100, STEP, LAST_LINE_DELAY, MISSING_FILE_TIMEOUT, DESCRIPTOR_HOLD_TIME))
    )
    def step(self, ms: int) -> None:
        """Let time go on."""
        self.rig.tick(ms)

    def teardown(self) -> None:
        """Read what is left, and compare."""
        if not hasattr(self, "rig"):
            return
        try:
            self._whole()
            self.rig.settle()
            self.rig.exact()
            assert not self.rig.events["lost_bytes"]
        finally:
            self.rig.follower.close()
            shutil.rmtree(self.directory)


def _fresh_directory() -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(prefix="follow-"))


SETTINGS = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Careless(Machine):
    """The same with nothing looked at in between."""

    careful = False


def test_anything_in_any_order() -> None:
    """Rotations, truncations, archives, stops and crashes in an order hypothesis thinks up."""
    run_state_machine_as_test(Machine, settings=SETTINGS)


def test_anything_in_any_order_between_two_looks() -> None:
    """The same, with twins that appear before the follower has looked."""
    run_state_machine_as_test(Careless, settings=SETTINGS)


def test_the_newest_rotated_file_may_grow_when_it_is_closed_again(rig: FollowedLog) -> None:
    """A server that is not told of a rotation goes on writing there, also when we restart."""
    rig.write(3)
    rig.rotate()
    rig.write(3)
    rig.tick()
    newest = rig.rotate()
    rig.settle()
    rig.restart()
    rig.settle()
    assert rig.follower.growing_rotated_files() == [newest]
    rig.write(1, newest)
    rig.settle()
    rig.exact()


def test_a_last_line_without_an_end_is_waited_for_in_a_rotated_file_alone(
    rig: FollowedLog,
) -> None:
    """It is taken as whole when the file has not grown for a while, which no change tells."""

    def is_waiting() -> bool:
        return rig.follower.registry.has_unfinished_files

    rig.write(3)
    rig.tick()
    old = rig.rotate()
    rig.settle()
    assert not is_waiting()
    rig.append(rig.lines()[:-1], old)
    rig.tick()
    assert is_waiting()
    rig.tick(LAST_LINE_DELAY)
    assert not is_waiting()
    rig.exact()
    rig.append(b"a part")
    rig.tick()
    assert not is_waiting()
