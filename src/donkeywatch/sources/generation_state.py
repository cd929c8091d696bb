"""The states of a generation, and which may follow which."""

from __future__ import annotations

from enum import StrEnum


class GenerationState(StrEnum):
    """What has become of the lines of one log file; the value is what a database row says."""

    OPEN = "open"
    """There may be lines in it that are not read."""
    READ = "done"
    """It is read to its end, and its file is kept open in case it grows."""
    FINISHED = "finished"
    """It is read to its end, and its file is given back."""
    LOST = "lost"
    """Its file was not found again before it was read to its end."""
    SKIPPED = "skipped"
    """It was rotated away before the log was first followed, and is not read."""
    VANISHED = "vanished"
    """It was skipped, and its file is gone."""

    @property
    def stored(self) -> str:
        """Give the text of a database row, which does not tell whether a file is there."""
        return STORED_AS.get(self, self).value

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more is expected of the generation."""
        return self in (GenerationState.FINISHED, GenerationState.LOST, GenerationState.VANISHED)

    @property
    def is_skipped(self) -> bool:
        """Tell whether its lines are history that is not read."""
        return self in (GenerationState.SKIPPED, GenerationState.VANISHED)


OPEN, READ, FINISHED, LOST, SKIPPED, VANISHED = GenerationState
STORED_AS = {FINISHED: READ, VANISHED: SKIPPED}
TRANSITIONS: dict[GenerationState, frozenset[GenerationState]] = {
    OPEN: frozenset({READ, FINISHED, LOST}),
    READ: frozenset({OPEN, FINISHED}),
    FINISHED: frozenset({OPEN}),
    LOST: frozenset({OPEN, FINISHED}),
    SKIPPED: frozenset({OPEN, VANISHED}),
    VANISHED: frozenset({OPEN}),
}
"""States that may follow each. Any can be opened again: its file may turn up, and be longer."""
