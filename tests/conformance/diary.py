"""What was written, line by line, and the brute-force truth of it."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from conformance.readers import Stepped
from conformance.site import Case, Reader
from support.log_writer import LogWriter, numbered_address

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


LENGTHS = {"hour": HOUR, "week": 7 * DAY}


def stamp(time: int) -> str:
    """A time in ms as most servers write it."""
    written = (EPOCH + timedelta(milliseconds=time)).isoformat(timespec="milliseconds")
    return written.replace("+00:00", "Z")


class Diary:
    """What a server wrote and when, and the figures that follow from it by brute force."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "logs" / "search.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.state = directory / "state"
        self.requests: list[tuple[int, str]] = []
        """Time (ms) and address of every query that has to be counted."""
        self.outcomes: Counter[str] = Counter()
        self._serial = itertools.count(1)

    def write(
        self,
        *times: int,
        address: str | None = None,
        outcome: str = "query",
        stamp: Callable[[int], str] = stamp,
        log: Path | None = None,
    ) -> None:
        """Log queries of these times (ms), each of an address of its own unless one is given."""
        lines = []
        for at in times:
            number = next(self._serial)
            who = address or numbered_address(number)
            lines.append(f"{stamp(at)}\t{who}\tzqorv {number}\n".encode())
            self.outcomes[outcome] += 1
            if outcome == "query":
                self.requests.append((at, who))
        LogWriter(log or self.log).append(b"".join(lines))

    def truth(self, start: int, end: int) -> tuple[int, int, int]:
        """Queries, distinct addresses and sum of squares of [start, end) ms."""
        request = Counter(who for time, who in self.requests if start <= time < end)
        return request.total(), len(request), sum(n * n for n in request.values())

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database."""
        path = self.state / "donkeywatch.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(sql, values).fetchall()

    def lines(self) -> int:
        """How many lines the database has counted, whatever they are; 0 before there is one."""
        try:
            rows = self.query("select sum(value) from counters where name = 'lines'")
        except sqlite3.OperationalError:
            return 0
        return rows[0][0] or 0

    def exact(self) -> None:
        """Every line has its outcome, and every query is in one hour and one week."""
        lines = self.query(
            "select detail, sum(value) from counters where name = 'lines' group by detail"
        )
        assert {name: n for name, n in lines if n} == +self.outcomes
        assert not self.query("select * from counters where name = 'invariant_violations'")
        for kind, length in LENGTHS.items():
            total = 0
            for start, until, queries, addresses, squares, closed in self.query(
                "select start, until, queries, addresses, sum_qq, closed from windows"
                " where kind = ?",
                kind,
            ):
                # 1970 began with a Thursday; weeks with a Monday.
                assert (start - (4 * DAY if kind == "week" else 0)) % length == 0
                assert until - start == length
                message = self.truth(start, until)
                result = (queries, addresses, squares) if closed else (queries, *message[1:])
                assert result == message, (kind, stamp(start))
                total += queries
            assert total == len(self.requests), kind

    def closed(self, kind: str) -> set[int]:
        """Starts of the windows of a kind that are closed."""
        rows = self.query("select start from windows where kind = ? and closed = 1", kind)
        return {start for (start,) in rows}

    def rolling(self) -> dict[str, int]:
        """The end of each rolling window, whose figures must be the truth between its bounds."""
        shown = self.query(
            "select kind, start, until, queries, addresses, sum_qq from windows"
            " where kind not in ('hour', 'week')"
        )
        assert len(shown) == 3
        for kind, start, until, *result in shown:
            assert tuple(result) == self.truth(start, until), (kind, stamp(until))
        return {kind: until for kind, _, until, *_ in shown}


class Clocks(Stepped):
    """An engine stepped with two clocks: the wall clock may jump, the steady one never does."""

    def __init__(self, directory: Path, case: Case, now: int) -> None:
        super().__init__(directory, case)
        self.now = self.steady = now

    def tick(self, step: int = Stepped.STEP) -> None:
        """Let both clocks go on, and look."""
        assert self.engine is not None
        self.now += step
        self.steady += step
        while self.engine.tick(self.now, self.steady):
            pass


def amend(settings: Path, old: str, new: str) -> None:
    """Change a line of a settings file."""
    text = settings.read_text()
    assert old in text
    settings.write_text(text.replace(old, new, 1))


def end(reader: Reader, case: Case) -> None:
    """The reader's life ends as the case says."""
    if case.end == "kill":
        reader.kill()
    else:
        reader.stop()


def again(reader: Reader, case: Case) -> None:
    """The reader's life ends as the case says, and another begins."""
    end(reader, case)
    reader.start()
