"""What is said of files: each once, a few by name, and of archives after a while."""

from __future__ import annotations

import errno
import os
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.sources.complaints import MENTIONED, PATIENCE, Complaints, Signature

DENIED = OSError(errno.EACCES, os.strerror(errno.EACCES))
LOG = Path("search.log")


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
    """While it grows it is left in peace; each state that stays is one error."""
    complaints = Complaints(events := Counter[str]())
    now = size = since = errors = 0
    told = False
    complaints.undecoded(LOG, Signature((1, 2), (0, 0)), 0)
    for wait, grown in looks:
        now += wait
        if grown:
            size, since, told = size + 1, now, False
        complaints.begin()
        complaints.undecoded(LOG, Signature((1, 2), (size, 0)), now)
        stays = now - since >= PATIENCE
        errors += stays and not told
        told |= stays
        assert (complaints.text is not None) is stays
        assert events["read_errors"] == errors


def test_an_archive_that_was_restored_is_suspected_anew() -> None:
    """Should it be damaged again, it gets its time again."""
    complaints = Complaints(Counter())
    file = Signature((1, 2), (3, 4))
    complaints.undecoded(LOG, file, 0)
    complaints.decoded(file)
    complaints.undecoded(LOG, file, PATIENCE)
    assert complaints.text is None
    complaints.undecoded(LOG, file, 2 * PATIENCE)
    assert complaints.text is not None


def test_a_log_that_is_not_there_is_said_so() -> None:
    """It is no error: it may come."""
    complaints = Complaints(events := Counter[str]())
    complaints.absent(LOG)
    assert complaints.text == "search.log: not there yet"
    assert not events.total()
