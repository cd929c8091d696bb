"""What an operator has to know of the lines of a source: none is a search, or some are withheld."""

from __future__ import annotations

from collections import Counter

from donkeywatch.counting.observations import REJECTIONS

FORMAT_WARNING_LINES = 1_000
"""Lines without a search among them after which it is said that something may be wrong."""


def withheld(lines: int) -> str | None:
    """Give the notice of lines that were left out and may be none of those counted."""
    if not lines:
        return None
    return (
        f"{lines:,} lines of a file have the times of counted searches and other addresses, as"
        " in a masked copy, and are not counted; if they are others, `donkeywatch backfill"
        " --overlapping` counts them"
    )


def wrong_format(outcomes: Counter[str], *, had_searches: bool) -> str | None:
    """Give the warning where many lines were read, by outcome, and none was a search.

    Where the log ``had_searches`` before, only lines that were rejected say so.
    """
    lines = outcomes.total()
    if lines < FORMAT_WARNING_LINES or any(
        outcomes[name] for name in ("query", "keywordless", "too_late")
    ):
        return None
    rejected = max(REJECTIONS, key=lambda reason: outcomes[reason])
    mostly = outcomes[rejected] * 2 > lines
    if not mostly and had_searches:
        return None  # A quiet hour of a log that also has other lines.
    mostly_rejected = f", most rejected as {rejected}" if mostly else ""
    return (
        f"none of its lines so far is a search{mostly_rejected}; are the format and the time"
        " zone right?"
        " `donkeywatch check` tells of a sample"
    )
