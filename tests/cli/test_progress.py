"""How far a long command is, on a terminal and elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from donkeywatch.cli.progress import PLAIN_INTERVAL_SECONDS, ProgressDisplay


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.seconds


def display(clock: Clock, *, terminal: bool = False) -> tuple[ProgressDisplay, io.StringIO]:
    """Two files of 3 MB in all, and what is printed."""
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=terminal, width=160, color_system=None)
    return ProgressDisplay(console, 3_000_000, 2, "counted", clock), printed


def test_lines_and_bytes_a_second_are_of_the_same_time_and_files() -> None:
    """One total over all files."""
    clock = Clock()
    shown, printed = display(clock)
    with shown:
        clock.seconds = 2.0
        shown.finish_file("a.log", 1_000_000, 10_000)
        clock.seconds = 4.0
        shown.finish_file("b.log", 2_000_000, 30_000)
    assert printed.getvalue().splitlines() == [
        "1 of 2 counted, a.log: 1.0 of 3.0 MB, 10,000 lines, 5,000 lines/s, 0.5 MB/s",
        "2 of 2 counted, b.log: 3.0 of 3.0 MB, 40,000 lines, 10,000 lines/s, 0.8 MB/s",
    ]


def test_where_nobody_watches_a_line_comes_now_and_then() -> None:
    """No bar, no control characters, and no line more often than so."""
    clock = Clock()
    shown, printed = display(clock)
    with shown:
        for tenth in range(round(25 * PLAIN_INTERVAL_SECONDS)):
            clock.seconds = tenth / 10
            shown.show("a.log", tenth * 1_000, tenth * 10)
    lines = printed.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("1 of 2, a.log: ") for line in lines)
    assert "\x1b" not in printed.getvalue()


def test_files_that_were_counted_before_are_shown_as_such() -> None:
    """What is not read is no part of the total; what is read and known is said to be."""
    clock = Clock()
    shown, printed = display(clock)
    with shown:
        shown.skip_file("a.log", 1_000_000)
        clock.seconds = 1.0
        shown.finish_file("b.log", 2_000_000, 7_000, "counted before")
    assert printed.getvalue().splitlines() == [
        "1 of 2, a.log: counted before",
        "2 of 2 counted before, b.log: 2.0 of 2.0 MB, 7,000 lines, 7,000 lines/s, 2.0 MB/s",
    ]


def test_a_terminal_gets_one_bar_in_80_columns() -> None:
    """With the file at work, the amount of the whole, and how fast it goes, however large."""
    clock = Clock()
    shown, printed = display(clock, terminal=True)
    with shown:
        clock.seconds = 1.0
        shown.show("a.log", 750_000, 1_000)
    assert "1/2 a.log" in printed.getvalue()
    assert "0.8/3.0 MB 0.8 MB/s 1k lines/s" in printed.getvalue()
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=True, width=80, color_system=None)
    clock.seconds = 0.0
    with ProgressDisplay(console, 999_999_000_000, 1_000, "counted", clock) as shown:
        clock.seconds = 1_000.0
        shown.show("a-name-of-a-log-that-is-long.gz", 123_456_000_000, 1_500_000_000)
    assert "123,456/999,999 MB 123.5 MB/s 1,500k lines/s" in printed.getvalue()
