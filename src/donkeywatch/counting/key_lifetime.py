"""How long the key of a week lives: until the week after it is over."""

from __future__ import annotations

from donkeywatch.counting.calendar import WEEK, week_of


def first_living_week(time: int) -> int:
    """Give the oldest week whose key is still needed at a time; both ms UTC.

    Rolling windows of seven days, and the rows of the week that runs, reach back into it.
    """
    return week_of(time) - WEEK


def end_of_life(week: int) -> int:
    """Give the time from which the key of a week is needed no more; both ms UTC."""
    return week + 2 * WEEK


def is_outlived(week: int, time: int) -> bool:
    """Tell whether the key of a week is needed no more at a time; both ms UTC."""
    return week < first_living_week(time)
