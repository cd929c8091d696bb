"""Why files of a backfill are not counted, or not to their end, and what to do about it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from donkeywatch.errors import SourceError


class Incomplete(SourceError):
    """Some of the files could not be read, or not to their end; all else is counted."""

    def __init__(
        self, lines: dict[Path, Counter[str] | None], troubles: dict[Path, SourceError]
    ) -> None:
        self.lines = lines
        """What `backfill` would have given, of the files that were read to some extent."""
        self.troubles = troubles
        problems = [trouble.problem for trouble in troubles.values()]
        remedies = dict.fromkeys(trouble.remedy for trouble in troubles.values())
        super().__init__("; ".join(problems), "; ".join(remedies))


def masked(path: Path, lines: int) -> SourceError:
    """Tell of lines that look like a copy with other addresses."""
    return SourceError(
        f"{path}: {lines:,} lines are unknown but have the times of counted searches, as in a"
        " masked copy, and are not counted",
        "if they are other lines of the same time, repeat the command with --overlapping",
    )


def damaged(path: Path, lines: int, reason: str | None = None) -> SourceError:
    """Tell of a file that could not be read to its end."""
    return SourceError(
        f"{path}: {reason or 'damaged, cut short or changed while it was read'}; {lines:,} lines"
        " that were read before are counted",
        "restore the file and repeat the command; it goes on where it stopped",
    )


def damaged_and_over(trouble: SourceError) -> SourceError:
    """The same where newer files had the keys of the file's weeks destroyed meanwhile."""
    return SourceError(
        trouble.problem,
        "restore the file, then `donkeywatch reset`, and count all files again: newer ones are"
        " counted, so the keys of its weeks are destroyed, and its rest cannot be added",
    )


def never_counted(path: Path, missing: int, lines: int) -> SourceError:
    """Tell of lines that came when the keys of their weeks were destroyed."""
    return SourceError(
        f"{path}: {lines:,} lines are of weeks whose keys are destroyed, and at least {missing:,}"
        " of them are not counted",
        "to count them, `donkeywatch reset`, and then backfill all files in one command",
    )
