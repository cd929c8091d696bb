"""The whole engine against a model, under whatever a server, an operator and a crash do.

``DONKEYWATCH_EXAMPLES`` sets how many sequences are tried.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal
from unittest import mock

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from conformance.model import Cut, Kind, Point, World
from donkeywatch.counting.calendar import HOUR, MINUTE, SECOND
from donkeywatch.runtime import believed_time
from donkeywatch.sources.follower import MISSING_FILE_TIMEOUT
from donkeywatch.sources.generation_registry import DESCRIPTOR_HOLD_TIME, LAST_LINE_DELAY

WHICH = st.integers(0, 7)
KINDS: list[Kind] = [
    "query", "flagged", "link", "note", "odd", "nobody", "future", "long", "wide", "gap",
]  # fmt: skip
CUTS: list[Cut] = ["stamp", "tab", "address", "text", "word", "serial", "feed"]
POINTS: list[Point] = ["checkpoint", "close_hour", "replace_rolling"]


class Machine(RuleBasedStateMachine):
    """Whatever happens in whatever order, every line that could be counted is, once."""

    world: World

    @initialize(
        before=st.sampled_from((70 * MINUTE, 3 * SECOND, 80 * HOUR)),
        link=st.booleans(),
        shift=st.booleans(),
        history=st.sampled_from(("", "plain", "gz")),
    )
    def begin(
        self, before: int, link: bool, shift: bool, history: Literal["", "plain", "gz"]
    ) -> None:
        """An empty log that the daemon has looked at, some time before a Monday."""
        self.world = World(before=before, link=link, shift=shift, history=history)

    @rule(count=st.sampled_from((1, 2, 12, 40)), kind=st.sampled_from(KINDS))
    def write(self, count: int, kind: Kind) -> None:
        """The server logs some searches."""
        self.world.write(count, kind)

    @rule(cut=st.sampled_from(CUTS), kind=st.sampled_from(KINDS))
    def write_part(self, cut: Cut, kind: Kind) -> None:
        """The server writes the beginning of a line; the rest comes with the next one."""
        self.world.write_part(cut, kind)

    @rule()
    def break_off(self) -> None:
        """The server is killed within a line, and its next life goes on right behind it."""
        self.world.break_off()

    @rule(count=st.sampled_from((1, 12)))
    def write_old(self, count: int) -> None:
        """A server that was not told of the rotation logs into the file it still has open."""
        self.world.write_old(count)

    @precondition(lambda self: self.world.log is not None)
    @rule(create=st.booleans())
    def rename(self, create: bool) -> None:
        """The log is renamed; a new one is made at once, or with the next line."""
        self.world.rename(create)

    @precondition(lambda self: self.world.log is None)
    @rule()
    def create(self) -> None:
        """The server makes the log that was missing."""
        self.world.create()

    @precondition(lambda self: self.world.log is not None)
    @rule()
    def hide(self) -> None:
        """The log is moved to a name that does not look rotated."""
        self.world.hide()

    @precondition(lambda self: self.world.log is not None)
    @rule()
    def recreate(self) -> None:
        """The log is deleted and made anew."""
        self.world.recreate()

    @precondition(lambda self: self.world.link)
    @rule(gap=st.sampled_from((0, 0, SECOND)))
    def swap(self, gap: int) -> None:
        """The link is pointed to a new dated file."""
        self.world.swap(gap)

    @precondition(lambda self: self.world.log is not None)
    @rule(late=st.sampled_from((0, 0, 3)))
    def copytruncate(self, late: int) -> None:
        """The log is copied and emptied; the server may write in between."""
        self.world.copytruncate(late)

    @precondition(lambda self: self.world.log is not None)
    @rule(keep=st.sampled_from((0, 0, 1, 20)), hole=st.booleans())
    def truncate(self, keep: int, hole: bool) -> None:
        """The log is emptied, or loses all but its first lines."""
        self.world.truncate(keep, hole)

    @precondition(lambda self: self.world.log is not None)
    @rule(more=st.sampled_from((0, 0, 700)))
    def rewrite(self, more: int) -> None:
        """Other lines are written over the log in place, as many bytes or more."""
        self.world.rewrite(more)

    @precondition(lambda self: self.world.log is not None)
    @rule(count=st.sampled_from((0, 1, 12)))
    def replace(self, count: int) -> None:
        """A tool puts a new file in the log's place, with all that was in it and some more."""
        self.world.replace(count)

    @precondition(lambda self: self.world.engine is None and self.world.log is None)
    @rule(which=WHICH)
    def reuse(self, which: int) -> None:
        """A rotated file is deleted while nobody looks, and the new log gets its inode."""
        self.world.reuse(which)

    @precondition(lambda self: self.world.rotated())
    @rule(which=WHICH, keep=st.booleans())
    def compress(self, which: int, keep: bool) -> None:
        """A rotated file is compressed; the plain one goes, or stays."""
        self.world.compress(which, keep)

    @precondition(lambda self: self.world.rotated())
    @rule(which=WHICH)
    def begin_compress(self, which: int) -> None:
        """The compressor is in the middle of its work."""
        self.world.begin_compress(which)

    @rule()
    def finish_compress(self) -> None:
        """It finishes, and removes the plain files."""
        self.world.finish_compress()

    @precondition(lambda self: self.world.rotated())
    @rule(which=WHICH, drained=st.booleans())
    def delete(self, which: int, drained: bool) -> None:
        """A rotated file is deleted, at once or when it has been read."""
        if drained:
            self.world.step(SECOND)
            self.world.step(LAST_LINE_DELAY)
        self.world.delete(which)

    @precondition(lambda self: self.world.engine is not None)
    @rule(look=st.booleans())
    def kill(self, look: bool) -> None:
        """SIGKILL, before or after it has read what is there."""
        self.world.kill(look)

    @precondition(lambda self: self.world.engine is not None)
    @rule()
    def stop(self) -> None:
        """SIGTERM."""
        self.world.stop()

    @precondition(lambda self: self.world.engine is None)
    @rule()
    def start(self) -> None:
        """The daemon starts again."""
        self.world.start()

    @precondition(lambda self: self.world.engine is not None)
    @rule(ms=st.sampled_from((100, SECOND)), point=st.sampled_from(POINTS))
    def fail(self, ms: int, point: Point) -> None:
        """The database cannot be written."""
        self.world.fail(ms, point)

    @rule(
        ms=st.sampled_from(
            (100, SECOND, LAST_LINE_DELAY, MISSING_FILE_TIMEOUT, DESCRIPTOR_HOLD_TIME, HOUR)
        )
    )
    def step(self, ms: int) -> None:
        """Time goes on, and the daemon looks."""
        self.world.step(ms)

    @rule()
    def week(self) -> None:
        """Time goes on into the next week, and an old key is destroyed."""
        self.world.week()

    def teardown(self) -> None:
        """Read what is left, close the hours and the week, and compare."""
        if hasattr(self, "world"):
            try:
                self.world.check()
            finally:
                self.world.close()


PARTS = 4
"""So that several processes share the work."""

SETTINGS = settings(
    max_examples=int(os.environ.get("DONKEYWATCH_EXAMPLES", "2000")) // PARTS,
    stateful_step_count=22,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("part", range(PARTS))
def test_anything_in_any_order(part: int) -> None:
    """Every sequence that hypothesis thinks up, with the whole engine and a real database.

    The clock is confirmed from the start; what waits for one that is not is test_wall_clock's.
    """
    # Under CI hypothesis draws the same sequences each time: each part draws its own.
    machine = seed(part)(Machine) if SETTINGS.derandomize else Machine
    with mock.patch.object(believed_time, "EVEN_RUN_MS", 0):
        run_state_machine_as_test(machine, settings=SETTINGS)


# -- what it found ----------------------------------------------------------------------------


@pytest.fixture
def world() -> Iterator[World]:
    """A log that the daemon has looked at, an hour before a Monday."""
    made = World()
    yield made
    made.close()


def test_a_line_written_just_before_a_renamed_file_is_released(world: World) -> None:
    """The descriptor was given back with an unread line, and the file's new size noted as read."""
    world.write()
    world.rename()
    world.step(SECOND)
    world.step(LAST_LINE_DELAY)
    world.step(DESCRIPTOR_HOLD_TIME - LAST_LINE_DELAY - SECOND)
    world.write_old()
    world.step(10 * SECOND)
    world.check()


def test_a_refilled_log_that_had_been_read_is_no_loss(world: World) -> None:
    """A log emptied and refilled beyond the old offset was told as abandoned bytes."""
    world.write()
    world.step(SECOND)
    world.truncate()
    world.write(2)
    world.check()


def test_a_log_that_is_rewritten_with_every_look(world: World) -> None:
    """The new lines were there at a look that only noticed that the old ones were not."""
    world.write(12)
    world.step(SECOND)
    world.rewrite()
    world.step(SECOND)
    world.rewrite()
    world.check()


def test_an_archive_of_a_file_that_went_on_growing(world: World) -> None:
    """Nothing had been read of either, and the lines in the .gz were counted twice."""
    world.rename()
    world.rename(create=False)
    world.write_old()
    world.compress(which=1, keep=True)
    world.write_old()
    world.check()


def test_a_short_log_that_loses_its_end(world: World) -> None:
    """What was left of a log of less than 4096 bytes was counted again."""
    world.write(3)
    world.step(SECOND)
    world.truncate(keep=1)
    world.check()


def test_a_copy_is_read_when_what_was_read_of_the_log_is_not_stored(world: World) -> None:
    """The lines stood in the copy, which had been found to hold nothing new."""
    world.write()
    world.step(100)
    world.copytruncate()
    world.step(100)
    world.step(100)
    world.fail(SECOND)
    world.check()


def test_a_replaced_log_that_is_copied_and_emptied_before_a_look(world: World) -> None:
    """The deleted file, still open, was counted, and its lines in the copy once more."""
    world.write()
    world.replace()
    world.copytruncate()
    world.check()


def test_an_over_long_line_that_never_ends_and_a_restart(world: World) -> None:
    """Rotated in the middle of an over-long line, and stopped: the line had no outcome."""
    world.write()
    world.write_part("feed", "long")
    world.step(SECOND)
    world.rename()
    world.break_off()
    world.stop()
    world.check()


def test_a_new_log_that_is_rewritten_after_a_failed_commit(world: World) -> None:
    """Lines that had been read were gone, and neither counter nor coverage said so."""
    world.write(12)
    world.fail(SECOND)
    world.rewrite()
    world.check()


def test_a_copy_is_looked_for_though_another_file_has_lines_to_read(world: World) -> None:
    """The emptied log was renamed, and the new one kept the daemon from asking for the copy."""
    world.write()
    world.step(SECOND)
    world.write()
    world.copytruncate()
    world.rename(create=False)
    world.write()
    world.check()


def test_a_line_that_was_read_and_not_stored_is_cut_off(world: World) -> None:
    """The log shrank to exactly what was stored, and nothing said that a line was gone."""
    world.write()
    world.step()
    world.write()
    world.fail()
    world.truncate(keep=1)
    world.check()


def test_a_loss_that_is_found_while_there_is_no_log() -> None:
    """It was counted, and a restart forgot that the time it belongs to is not covered."""
    world = World(link=True)
    world.rename(create=False)
    world.write_part("text", "query")
    world.step(100)
    world.copytruncate()
    world.write_old()
    world.swap(gap=SECOND)
    world.stop()
    world.check()
    world.close()


@pytest.mark.parametrize("keep", [0, 1])
def test_a_replaced_log_that_is_cut_after_a_failed_commit(world: World, keep: int) -> None:
    """The old file was closed once the new one held all of it, before any of it was stored."""
    world.write(2)
    world.replace(count=0)
    world.fail(SECOND)
    world.truncate(keep=keep)
    world.check()


def test_a_log_that_is_replaced_rewritten_and_replaced_while_commits_fail(world: World) -> None:
    """The file with the first lines was given up for one that held something else already."""
    world.write(2)
    world.replace(count=0)
    world.fail(100)
    world.rewrite(more=0)
    world.replace(count=0)
    world.fail(SECOND)
    world.check()


def test_a_longer_log_in_the_place_of_another_is_rewritten_after_a_failed_commit(
    world: World,
) -> None:
    """The file of before was compared with more than it had ever held, and given up."""
    world.write()
    world.replace(count=0)
    world.write()
    world.fail(100)
    world.rewrite(more=0)
    world.fail(SECOND)
    world.check()


def test_a_longer_log_in_the_place_of_a_rewritten_one_is_cut_after_a_failed_commit() -> None:
    """The same, where what is left of the new one is the beginning of both."""
    world = World(history="plain")
    world.rewrite(more=700)
    world.replace(count=1)
    world.fail(SECOND)
    world.truncate(keep=1)
    world.check()
    world.close()


def test_a_rewritten_log_that_is_replaced_and_rewritten_while_commits_fail(world: World) -> None:
    """Nobody had looked at what it was rewritten to; the old file alone still held that."""
    world.write()
    world.week()
    world.rewrite(more=700)
    world.replace(count=0)
    world.fail(100)
    world.rewrite(more=0)
    world.fail(SECOND)
    world.check()


def test_a_log_that_is_rewritten_and_replaced_again_and_again_while_commits_fail() -> None:
    """What an old file had in common with the new one was counted twice."""
    world = World(history="plain")
    world.fail(100)
    world.rewrite(more=700)
    world.fail(100)
    world.rewrite(more=0)
    world.replace(count=0)
    world.fail(SECOND)
    world.rewrite(more=700)
    world.replace(count=1)
    world.check()
    world.close()


@pytest.mark.parametrize("ms", [100, 2 * SECOND])
def test_a_longer_log_in_the_place_of_another_is_cut_to_what_both_had(
    world: World, ms: int
) -> None:
    """What had been read of it, stored or not, was read again in the file of before."""
    world.write()
    world.write()
    world.replace()
    world.fail(ms)
    world.truncate(keep=1)
    world.check()


def test_a_loss_that_could_not_be_stored_at_once_still_costs_its_time(world: World) -> None:
    """It was told once, and the time that it had cost was forgotten with the commit."""
    world.write()
    world.fail(SECOND)
    world.truncate()
    for ms in (SECOND, MISSING_FILE_TIMEOUT + SECOND, SECOND):
        world.fail(ms)
    world.check()


def test_a_log_that_is_rewritten_after_a_failed_commit_and_replaced(world: World) -> None:
    """The old file and the new one hold the same, and not what was read before."""
    world.write()
    world.fail(100)
    world.truncate()
    world.write()
    world.replace(count=0)
    world.check()


def test_an_archive_of_a_log_that_is_rewritten_after_a_failed_commit(world: World) -> None:
    """The archive goes on with what the file was rewritten to, not with what was read before."""
    world.write(2)
    world.step(SECOND)
    world.step(LAST_LINE_DELAY)
    world.rewrite(more=0)
    world.fail(100)
    world.rewrite(more=0)
    world.replace(count=0)
    world.write()
    world.copytruncate(late=0)
    world.compress(which=0)
    world.check()


@pytest.mark.parametrize("count", [0, 12])
def test_a_log_that_is_emptied_long_after_the_last_look(world: World, count: int) -> None:
    """That hour was missed when lines came while what was lost was sought, else covered."""
    world.write()
    world.step(100)
    world.truncate()
    world.step(HOUR)
    world.write(count)
    for ms in (SECOND, MISSING_FILE_TIMEOUT, 31 * SECOND):
        world.step(ms)
    assert world.covered()[0] < 60
    world.check()


@pytest.mark.parametrize("packed", [False, True])
def test_a_copy_that_is_deleted_before_what_was_read_of_the_log_is_stored(
    world: World, packed: bool
) -> None:
    """The copy had been found to hold nothing new, and was not held."""
    world.write()
    world.step(100)
    world.copytruncate()
    if packed:
        world.compress()
    world.fail(SECOND)
    world.delete()
    world.check()


def test_history_that_is_compressed_twice() -> None:
    """The archive of a file from before the start is deleted and made again: not counted."""
    world = World(before=70 * MINUTE, history="plain")
    try:
        world.compress(keep=True)
        world.step(SECOND)
        world.delete(which=1)
        world.compress()
        world.check()
    finally:
        world.close()


def test_a_rotated_log_beside_its_archive_and_a_restart_after_both_were_counted() -> None:
    """The plain file was left alone as a copy of the archive, and new to the next start."""
    world = World(link=True)
    try:
        world.write(kind="link")
        world.week()
        world.swap(gap=0)
        world.write_old()
        world.stop()
        world.compress(keep=True)
        world.write()
        world.swap(gap=0)
        world.check()
    finally:
        world.close()


def test_a_log_that_is_replaced_and_emptied_while_commits_fail(world: World) -> None:
    """What had been added in the new file was gone, and no counter said so."""
    world.write()
    world.fail(100)
    world.replace(count=1)
    world.fail(100)
    world.truncate()
    world.check()


def test_a_log_that_went_on_while_commits_failed_is_rewritten(world: World) -> None:
    """Its new line, which could not be read without a commit before it, was lost untold."""
    world.write_part("stamp", "query")
    world.recreate()
    world.write()
    world.week()
    world.write()
    world.fail(100, "checkpoint")
    world.rewrite(more=0)
    world.check()


def test_the_last_line_of_a_rotated_log_is_read_behind_the_next_log(world: World) -> None:
    """That made it the last log again, and what was left of the next one was counted twice."""
    world.write_part("stamp", "query")
    world.rename()
    world.rewrite(more=700)
    world.week()
    world.truncate(keep=1)
    world.check()


def test_copies_of_several_files_that_are_given_up_at_one_look(world: World) -> None:
    """What was known of the second one's copy was forgotten with the first, and it counted anew."""
    world.rename(create=False)
    world.write()
    world.step(SECOND)
    world.replace(count=0)
    world.copytruncate()
    world.write()
    world.copytruncate()
    world.check()


def test_a_file_that_is_left_alone_as_another_programs_is_told_at_each_look() -> None:
    """At the second look all seemed well: nothing said that its lines are not counted."""
    world = World(link=True)
    world.swap()
    world.rewrite(more=700)
    world.step(100)
    world.stop()
    world.write_old()
    world.start()
    world.write_old()
    world.check()
    world.close()
