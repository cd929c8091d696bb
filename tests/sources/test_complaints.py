"""What is said of files: each once, a few by name, and of archives after a while."""

from __future__ import annotations

import errno
import os
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.sources.complaints import AGAIN, MENTIONED, PATIENCE, Complaints, Signature
from donkeywatch.sources.files import Damaged

DENIED = OSError(errno.EACCES, os.strerror(errno.EACCES))
LOG = Path("search.log")


def state(size: int) -> Signature:
    """A file of so many bytes."""
    return Signature((1, 2), (size, 0), 0)


@given(st.integers(0, 9))
def test_a_few_files_are_named_and_the_others_counted(files: int) -> None:
    """Nothing is said of none, and nothing stays from one look to the next."""
    complaints = Complaints(events := Counter[str]())
    for _ in range(2):
        complaints.begin()
        for number in range(files):
            complaints.unreadable(Path(f"{number}.log"), DENIED)
        told = (complaints.text or "").split("; ")
        named = [f"{n}.log: Permission denied" for n in range(min(files, MENTIONED))]
        more = [f"and {files - MENTIONED} more files"] if files > MENTIONED else []
        assert told == (named + more or [""])
    assert events["read_errors"] == 2 * files
    assert (complaints.text is None) is (files == 0)


@given(st.lists(st.tuples(st.integers(1, PATIENCE), st.booleans()), max_size=20))
def test_an_archive_is_damaged_when_it_stays_as_it_is(looks: list[tuple[int, bool]]) -> None:
    """While it grows it is left in peace; each state that stays is tried once, and one error."""
    complaints = Complaints(events := Counter[str]())
    now = size = since = errors = 0
    tried = told = False
    complaints.failed(LOG, state(size), Damaged(), 0)
    for wait, grown in looks:
        now += wait
        complaints.begin()
        if grown:
            size, since, tried, told = size + 1, now, False, False
            assert complaints.rests(LOG, state(size), now)
        else:
            assert complaints.rests(LOG, state(size), now) is tried
            if not tried:
                complaints.failed(LOG, state(size), Damaged(), now)
                tried = True
        stays = now - since >= PATIENCE
        errors += stays and not told
        told |= stays
        assert (complaints.text is not None) is stays
        assert events["read_errors"] == errors
        assert complaints.hopeful(now) is not stays


def tried(complaints: Complaints, error: Damaged | OSError, now: int) -> None:
    """Read in vain twice, in the same state: only then it is sure that it has been read so."""
    for _ in range(2):
        assert not complaints.rests(LOG, state(1), now)
        complaints.failed(LOG, state(1), error, now)
    assert complaints.rests(LOG, state(1), now + 1)


def test_what_stays_damaged_is_tried_again_at_long_last() -> None:
    """It may be restored with its old times, which only its content would tell."""
    complaints = Complaints(events := Counter[str]())
    tried(complaints, Damaged(), 0)
    assert complaints.rests(LOG, state(1), AGAIN - 1)
    assert not complaints.rests(LOG, state(1), AGAIN)
    complaints.failed(LOG, state(1), Damaged(), AGAIN)
    assert complaints.rests(LOG, state(1), AGAIN + 1)
    assert events["read_errors"] == 1


def test_a_disk_is_tried_more_often_and_given_up_later() -> None:
    """It may have been a moment's trouble, and the content is good."""
    complaints = Complaints(Counter())
    tried(complaints, DENIED, 0)
    assert complaints.rests(LOG, state(1), PATIENCE - 1)
    assert not complaints.rests(LOG, state(1), PATIENCE)
    assert complaints.hopeful(AGAIN - 1)
    assert not complaints.hopeful(AGAIN)


def test_a_new_name_is_told_and_no_new_error() -> None:
    """Each rotation renames it; it is read once more, since old times may have been put back."""
    complaints = Complaints(events := Counter[str]())
    tried(complaints, Damaged(), 0)
    complaints.begin()
    assert complaints.rests(LOG, state(1), PATIENCE)
    renamed = state(1)._replace(touched=9)
    complaints.begin()
    assert not complaints.rests(Path("search.log.2"), renamed, PATIENCE + 1)
    assert (complaints.text or "").startswith("search.log.2: damaged")
    assert events["read_errors"] == 1


def test_what_was_told_stays_while_it_is_read() -> None:
    """And what was not is not: it may be growing, and good."""
    complaints = Complaints(Counter())
    tried(complaints, Damaged(), 0)
    complaints.remind(LOG, state(1).identity)
    assert complaints.text is None
    complaints.rests(LOG, state(1), PATIENCE)
    complaints.begin()
    complaints.remind(LOG, state(1).identity)
    assert complaints.text is not None


def test_what_was_not_stored_is_read_again() -> None:
    """What stands before the damage was forgotten with a commit that failed."""
    complaints = Complaints(Counter())
    tried(complaints, Damaged(), 0)
    complaints.try_again()
    assert not complaints.rests(LOG, state(1), 1)


def test_what_the_system_says_is_told_at_once() -> None:
    """A disk that cannot be read does not grow."""
    complaints = Complaints(events := Counter[str]())
    complaints.failed(LOG, state(1), DENIED, 0)
    assert complaints.text == "search.log: Permission denied"
    assert events["read_errors"] == 1


def test_a_file_that_was_read_to_its_end_is_suspected_anew() -> None:
    """Should it be damaged again, it gets its time again."""
    complaints = Complaints(Counter())
    complaints.failed(LOG, state(1), Damaged(), 0)
    complaints.good(state(1).identity)
    assert not complaints.rests(LOG, state(1), PATIENCE)
    complaints.failed(LOG, state(1), Damaged(), PATIENCE)
    assert complaints.text is None


def test_a_log_that_is_not_there_is_said_so() -> None:
    """It is no error: it may come."""
    complaints = Complaints(events := Counter[str]())
    complaints.absent(LOG)
    assert complaints.text == "search.log: not there yet"
    assert not events.total()
