"""What the status says in tables."""

from __future__ import annotations

import pytest

from donkeywatch.cli import terminal_tables


@pytest.mark.parametrize(
    ("coverage", "words"),
    [(0.0, "0%"), (0.0004, "<1%"), (0.01, "1%"), (0.5, "50%"), (0.9999, ">99%"), (1.0, "100%")],
)
def test_a_part_of_the_time_is_neither_none_nor_all(coverage: float, words: str) -> None:
    """Figures beside 0 % would be figures of no time."""
    assert terminal_tables._format_share(coverage) == words
