"""The key of a week lives until the week after it is over."""

from __future__ import annotations

import pytest

from donkeywatch.counting.calendar import FIRST_MONDAY, MINUTE, WEEK
from donkeywatch.counting.key_lifetime import first_living_week, is_outlived

MONDAY = FIRST_MONDAY + 2900 * WEEK


@pytest.mark.parametrize(
    ("time", "outlived"),
    [(0, False), (WEEK, False), (2 * WEEK - 1, False), (2 * WEEK, True), (2 * WEEK + MINUTE, True)],
)
def test_a_key_is_needed_through_its_week_and_the_next(time: int, outlived: bool) -> None:
    """To the millisecond; after that nothing reaches back into its week."""
    assert is_outlived(MONDAY, MONDAY + time) is outlived
    assert (first_living_week(MONDAY + time) > MONDAY) is outlived
