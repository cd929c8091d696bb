"""How far a long command is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_INTERVAL_SECONDS = 10.0
"""Time between two plain lines of one file."""
MEGABYTE = 1_000_000
BAR_COLUMNS, NAME_COLUMNS = 8, 20
"""Width of the bar itself and of the name of a file on a terminal."""


@contextmanager
def hours_display(console: Console, hours: int) -> Iterator[Callable[[int], None]]:
    """Show how many hours of a simulation are written; what it yields is called with the number."""
    if console.is_terminal:
        with Progress(*Progress.get_default_columns(), console=console) as bar:
            task = bar.add_task("simulating", total=hours)
            yield lambda done: bar.update(task, completed=done)
        return
    last = time.monotonic()

    def show(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_INTERVAL_SECONDS:
            last = time.monotonic()
            console.print(f"simulated {done:,} of {hours:,} hours")

    yield show


class ProgressDisplay:
    """Shows one total over all files, and a speed whose lines and bytes are the same ones.

    ``verb`` says what is done to the files, such as `counted`. A context manager.
    """

    def __init__(
        self,
        console: Console,
        total_bytes: int,
        files: int,
        verb: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._verb, self._clock = console, verb, clock
        self._total, self._files = total_bytes, files
        self._start = self._last_line = clock()
        self._finished_files = self._finished_bytes = self._finished_lines = 0
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(BAR_COLUMNS),
                TextColumn("{task.fields[amount]}", markup=False),
                TimeRemainingColumn(compact=True),
            )
            self._bar = Progress(*columns, console=console)
            self._task = self._bar.add_task("", total=max(1, total_bytes), amount="")

    def __enter__(self) -> ProgressDisplay:
        """Show the bar, if there is one."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()

    def show(self, name: str, bytes_done: int, lines_done: int) -> None:
        """Tell how far the file is that is at work: its bytes and lines so far."""
        done = self._finished_bytes + bytes_done
        amount = self._amount(done, self._finished_lines + lines_done)
        number = min(self._finished_files + 1, self._files)
        if self._bar is not None:
            self._bar.update(
                self._task, completed=done, total=max(1, self._total),
                amount=self._short_amount(done, self._finished_lines + lines_done),
                description=f"{number}/{self._files} {name}"[:NAME_COLUMNS],
            )  # fmt: skip
        elif self._clock() - self._last_line >= PLAIN_INTERVAL_SECONDS:
            self._last_line = self._clock()
            self._print(f"{number} of {self._files}, {name}: {amount}")

    def finish_file(self, name: str, file_bytes: int, lines: int, became: str = "") -> None:
        """Tell that a file is done, with its bytes and lines; ``became`` replaces the verb."""
        self.show(name, file_bytes, lines)
        self._finished_files += 1
        self._finished_bytes += file_bytes
        self._finished_lines += lines
        if self._bar is None:
            self._last_line = self._clock()
            amount = self._amount(self._finished_bytes, self._finished_lines)
            verb = became or self._verb
            self._print(f"{self._finished_files} of {self._files} {verb}, {name}: {amount}")

    def skip_file(self, name: str, file_bytes: int) -> None:
        """Tell that a file needs no work: its bytes are no part of the total."""
        self._total -= file_bytes
        self._finished_files += 1
        if self._bar is None:
            self._print(f"{self._finished_files} of {self._files}, {name}: counted before")

    def _amount(self, bytes_done: int, lines: int) -> str:
        seconds = max(self._clock() - self._start, 0.001)
        return (
            f"{bytes_done / MEGABYTE:,.1f} of {self._total / MEGABYTE:,.1f} MB,"
            f" {lines:,} lines, {lines / seconds:,.0f} lines/s,"
            f" {bytes_done / MEGABYTE / seconds:,.1f} MB/s"
        )

    def _short_amount(self, bytes_done: int, lines: int) -> str:
        """Give the amount in 41 columns at the most: a bar is to fit into 80."""
        seconds = max(self._clock() - self._start, 0.001)
        done, total = bytes_done / MEGABYTE, self._total / MEGABYTE
        digits = 0 if total >= 1000 else 1
        return (
            f"{done:,.{digits}f}/{total:,.{digits}f} MB {done / seconds:,.1f} MB/s"
            f" {lines / seconds / 1000:,.0f}k lines/s"
        )

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
