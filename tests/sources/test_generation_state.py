"""GenerationState: which states may follow which, and what a database row says of each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from donkeywatch.sources.fingerprints import Fingerprint
from donkeywatch.sources.generation import Generation
from donkeywatch.sources.generation_state import (
    FINISHED,
    LOST,
    OPEN,
    READ,
    SKIPPED,
    TRANSITIONS,
    VANISHED,
    GenerationState,
)
from donkeywatch.sources.log_file import PlainFile

ROOT = Path(__file__).resolve().parents[2]
PAIRS = [(old, new) for old in GenerationState for new in GenerationState]


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=[f"{old}-{new}" for old, new in PAIRS])
def test_a_generation_takes_the_states_of_the_table_alone(
    old: GenerationState, new: GenerationState
) -> None:
    """The same state again is no change; what the table does not have is refused."""
    generation = Generation(1, "main", Fingerprint(), old)
    if new is old or new in TRANSITIONS[old]:
        generation.state = new
        assert generation.state is new
    else:
        with pytest.raises(ValueError, match=f"{old} cannot become {new}"):
            generation.state = new
        assert generation.state is old


def test_every_state_can_be_opened_again() -> None:
    """A file may turn up that holds more than what was taken for the end."""
    assert all(OPEN in following for state, following in TRANSITIONS.items() if state is not OPEN)


def test_a_database_row_tells_neither_finished_from_read_nor_vanished_from_skipped() -> None:
    """Both mean the same to the next start, which has no file open; the names are of 0.1.0."""
    stored = {state: state.stored for state in GenerationState}
    assert stored == {
        OPEN: "open", READ: "done", FINISHED: "done", LOST: "lost", SKIPPED: "skipped",
        VANISHED: "skipped",
    }  # fmt: skip


def test_nothing_is_expected_of_what_is_over() -> None:
    """What was skipped stays known while its file is there."""
    assert {state for state in GenerationState if state.is_over} == {FINISHED, LOST, VANISHED}
    assert {state for state in GenerationState if state.is_skipped} == {SKIPPED, VANISHED}


def test_what_was_read_and_not_stored_is_looked_for_again() -> None:
    """After a failed commit; what was closed with nothing read of it stays closed."""
    for offset, after in ((100, OPEN), (0, FINISHED)):
        generation = Generation(1, "main", Fingerprint())
        generation.fingerprint = Fingerprint(offset)
        generation.state = READ
        generation.state = FINISHED
        generation.roll_back()
        assert generation.state is after


def test_a_file_that_is_read_again_after_a_failed_commit_is_open(tmp_path: Path) -> None:
    """Whatever had become of its generation: its end may be reached again."""
    log = tmp_path / "search.log"
    log.write_bytes(b"a line\n")
    for state in (FINISHED, LOST):
        generation = Generation(1, "main", Fingerprint())
        generation.state = state
        generation.previous_file = PlainFile(log)
        generation.roll_back()
        assert generation.file is not None
        assert generation.state is OPEN
        generation.state = READ
        generation.close()


def test_the_diagram_of_the_architecture_has_the_transitions_of_the_table() -> None:
    """Each arrow between two states, and no other."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    drawn = re.findall(r"^  (\w+) --> (\w+): ", text, re.MULTILINE)
    names = {
        (old.name.lower(), new.name.lower()) for old in TRANSITIONS for new in TRANSITIONS[old]
    }
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == names
