"""What is said of files: each once, a few by name, and of archives after a while."""

from __future__ import annotations

import errno
import os
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.sources.file_problems import (
    MAX_REPORTED,
    RETRY_INTERVAL,
    SETTLE_TIME,
    FileProblems,
    FileState,
)
from donkeywatch.sources.log_file import DamagedArchiveError

DENIED = OSError(errno.EACCES, os.strerror(errno.EACCES))
LOG = Path("search.log")


def state(size: int) -> FileState:
    """A file of so many bytes."""
    return FileState((1, 2), (size, 0), 0)


@given(st.integers(0, 9))
def test_a_few_files_are_named_and_the_others_counted(files: int) -> None:
    """Nothing is said of none, and nothing stays from one look to the next."""
    complaints = FileProblems(events := Counter[str]())
    for _ in range(2):
        complaints.start_scan()
        for number in range(files):
            complaints.report_unreadable(Path(f"{number}.log"), DENIED)
        output = (complaints.text or "").split("; ")
        named = [f"{n}.log: Permission denied" for n in range(min(files, MAX_REPORTED))]
        more = [f"and {files - MAX_REPORTED} more files"] if files > MAX_REPORTED else []
        assert output == (named + more or [""])
    assert events["read_errors"] == 2 * files
    assert (complaints.text is None) is (files == 0)


@given(st.lists(st.tuples(st.integers(1, SETTLE_TIME), st.booleans()), max_size=20))
def test_an_archive_is_damaged_when_it_stays_as_it_is(looks: list[tuple[int, bool]]) -> None:
    """While it grows it is left in peace; each state that stays is tried once, and one error."""
    complaints = FileProblems(events := Counter[str]())
    now = size = since = errors = 0
    tried = message = False
    complaints.record_failure(LOG, state(size), DamagedArchiveError(), 0)
    for wait, grown in looks:
        now += wait
        complaints.start_scan()
        if grown:
            size, since, tried, message = size + 1, now, False, False
            assert complaints.should_skip(LOG, state(size), now)
        else:
            assert complaints.should_skip(LOG, state(size), now) is tried
            if not tried:
                complaints.record_failure(LOG, state(size), DamagedArchiveError(), now)
                tried = True
        stays = now - since >= SETTLE_TIME
        errors += stays and not message
        message |= stays
        assert (complaints.text is not None) is stays
        assert events["read_errors"] == errors
        assert complaints.may_recover(now) is not stays


def tried(complaints: FileProblems, error: DamagedArchiveError | OSError, now: int) -> None:
    """Read in vain twice, in the same state: only then it is sure that it has been read so."""
    for _ in range(2):
        assert not complaints.should_skip(LOG, state(1), now)
        complaints.record_failure(LOG, state(1), error, now)
    assert complaints.should_skip(LOG, state(1), now + 1)


def test_what_stays_damaged_is_tried_again_at_long_last() -> None:
    """It may be restored with its old times, which only its content would tell."""
    complaints = FileProblems(events := Counter[str]())
    tried(complaints, DamagedArchiveError(), 0)
    assert complaints.should_skip(LOG, state(1), RETRY_INTERVAL - 1)
    assert not complaints.should_skip(LOG, state(1), RETRY_INTERVAL)
    complaints.record_failure(LOG, state(1), DamagedArchiveError(), RETRY_INTERVAL)
    assert complaints.should_skip(LOG, state(1), RETRY_INTERVAL + 1)
    assert events["read_errors"] == 1


def test_a_disk_is_tried_more_often_and_given_up_later() -> None:
    """It may have been a moment's trouble, and the content is good."""
    complaints = FileProblems(Counter())
    tried(complaints, DENIED, 0)
    assert complaints.should_skip(LOG, state(1), SETTLE_TIME - 1)
    assert not complaints.should_skip(LOG, state(1), SETTLE_TIME)
    assert complaints.may_recover(RETRY_INTERVAL - 1)
    assert not complaints.may_recover(RETRY_INTERVAL)


def test_a_new_name_is_told_and_no_new_error() -> None:
    """Each rotation renames it; it is read once more, since old times may have been put back."""
    complaints = FileProblems(events := Counter[str]())
    tried(complaints, DamagedArchiveError(), 0)
    complaints.start_scan()
    assert complaints.should_skip(LOG, state(1), SETTLE_TIME)
    renamed = state(1)._replace(ctime_ns=9)
    complaints.start_scan()
    assert not complaints.should_skip(Path("search.log.2"), renamed, SETTLE_TIME + 1)
    assert (complaints.text or "").startswith("search.log.2: damaged")
    assert events["read_errors"] == 1


def test_what_was_told_stays_while_it_is_read() -> None:
    """And what was not is not: it may be growing, and good."""
    complaints = FileProblems(Counter())
    tried(complaints, DamagedArchiveError(), 0)
    complaints.repeat_report(LOG, state(1).identity)
    assert complaints.text is None
    complaints.should_skip(LOG, state(1), SETTLE_TIME)
    complaints.start_scan()
    complaints.repeat_report(LOG, state(1).identity)
    assert complaints.text is not None


def test_what_was_not_stored_is_read_again() -> None:
    """What stands before the damage was forgotten with a commit that failed."""
    complaints = FileProblems(Counter())
    tried(complaints, DamagedArchiveError(), 0)
    complaints.reset_attempts()
    assert not complaints.should_skip(LOG, state(1), 1)


def test_what_the_system_says_is_told_at_once() -> None:
    """A disk that cannot be read does not grow."""
    complaints = FileProblems(events := Counter[str]())
    complaints.record_failure(LOG, state(1), DENIED, 0)
    assert complaints.text == "search.log: Permission denied"
    assert events["read_errors"] == 1


def test_a_file_that_was_read_to_its_end_is_suspected_anew() -> None:
    """Should it be damaged again, it gets its time again."""
    complaints = FileProblems(Counter())
    complaints.record_failure(LOG, state(1), DamagedArchiveError(), 0)
    complaints.clear(state(1).identity)
    assert not complaints.should_skip(LOG, state(1), SETTLE_TIME)
    complaints.record_failure(LOG, state(1), DamagedArchiveError(), SETTLE_TIME)
    assert complaints.text is None


def test_a_log_that_is_not_there_is_said_so() -> None:
    """It is no error: it may come."""
    complaints = FileProblems(events := Counter[str]())
    complaints.report_missing(LOG)
    assert complaints.text == "search.log: not there yet"
    assert not events.total()
