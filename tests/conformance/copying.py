"""A log whose lines are copied, cut, merged, masked, packed and moved, and the truth beside it.

The truth is a set: each line that stood where it had to be read counts once, however often and
wherever it turns up again.
"""

from __future__ import annotations

import atexit
import bz2
import gzip
import itertools
import lzma
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import zstandard

from conformance.model import LEXICON
from donkeywatch.counting.calendar import HOUR, SECOND, floor_to, week_of
from donkeywatch.errors import SourceError
from donkeywatch.runtime.backfill import backfill
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.reference_data import ReferenceData
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.store.store import Store
from support.log_writer import LogWriter, numbered_address, search_line

WEDNESDAY = week_of(1_795_000_000_000) + 50 * HOUR
SETTINGS = """state = "state"
lexicon = "lexicon.toml"
[[source]]
name = "{name}"
path = "search.log"
format = "tsv"
{more}
[backup]
interval = 0
"""
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".bz2": bz2.compress,
}
Way = Literal[
    "in place", "in two steps", "in two lives", "emptied first", "moved over", "kept beside"
]


@cache
def root() -> Path:
    """A directory in memory for all the logs of this process."""
    made = Path(tempfile.mkdtemp(prefix="donkeywatch-copies-", dir="/dev/shm"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


class CopiedLog:
    """A log, an engine that is stepped, and the lines that it must have counted."""

    def __init__(self, more: str = "", *, whole_seconds: bool = False) -> None:
        self._more, self.whole_seconds = more, whole_seconds
        self.directory = Path(tempfile.mkdtemp(dir=root()))
        self.path = self.directory / "search.log"
        lexicon = self.directory / "lexicon.toml"
        lexicon.write_text(LEXICON)
        lexicon.chmod(0o600)
        self.now = self.time = WEDNESDAY
        self.steady = 10**9
        self.lines: list[bytes] = []
        """Every line that must have been counted, in the order in which they were written."""
        self.copies = 0
        self.name = "main"
        self.path.touch()
        self._materials: ReferenceData | None = None
        self.engine = self._open()
        self.step()

    def _settings(self) -> Settings:
        path = self.directory / "settings.toml"
        path.write_text(SETTINGS.format(name=self.name, more=self._more))
        return loader.load(path)

    def _open(self) -> Engine:
        settings = self._settings()
        self._materials = self._materials or ReferenceData.load(settings)
        return Engine(settings, self.now, self._materials)

    def step(self, ms: int = 2 * SECOND) -> None:
        """Time goes on, and the daemon looks and stores."""
        self.now += ms
        self.steady += ms
        self.engine.tick(self.now, self.steady)

    def step_in_vain(self, failing: int) -> None:
        """The daemon looks, and one of its commits fails, counted from 1."""
        calls = itertools.count(1)
        checkpoint = Store.checkpoint

        def fail_once(store: Store, *arguments: Any) -> None:
            if next(calls) == failing:
                raise sqlite3.OperationalError
            checkpoint(store, *arguments)

        with mock.patch.object(Store, "checkpoint", fail_once):
            self.step()

    def settle(self) -> None:
        """Time goes on until all that is there has been decided on."""
        for ms in (2, 2, 2, 6, 16, 61, 2, 2):
            self.step(ms * SECOND)

    # -- lines -----------------------------------------------------------------------------

    def new_lines(self, count: int, *, back: int = 0) -> list[bytes]:
        """New searches, each with an address and a time that no other has together."""
        made: list[bytes] = []
        addresses = 1024 if self.whole_seconds else 23
        for _ in range(count):
            # Where stamps are whole seconds, hundreds of lines share one.
            self.time += 3 if self.whole_seconds else 130 + len(self.lines) * 37 % 1700
            serial, time = len(self.lines) + len(made), self.time - back
            if self.whole_seconds:
                time = floor_to(time, SECOND)
            address = numbered_address(serial % addresses + 1)
            made.append(search_line(time, address, f"fnarbl {serial}"))
        ahead = max(0, self.time - self.now)
        self.now, self.steady = self.now + ahead, self.steady + ahead
        self.lines += made
        return made

    def write(self, count: int) -> None:
        """The server logs searches."""
        LogWriter(self.path).append(b"".join(self.new_lines(count)))

    def part(self, first: int, count: int) -> list[bytes]:
        """Some of the lines that were written, in their order."""
        if not self.lines:
            return []
        first %= len(self.lines)
        return self.lines[first : first + count]

    # -- what happens to the log -----------------------------------------------------------

    def put(self, content: Sequence[bytes], way: Way) -> None:
        """Other content comes to stand at the log's path."""
        data = b"".join(content)
        if way in ("moved over", "kept beside"):
            fresh = self.directory / "fresh"
            fresh.write_bytes(data)
            if way == "kept beside":
                self.copies += 1
                self.path.rename(self.directory / f"search.log.bak{self.copies}")
            fresh.rename(self.path)
            return
        with self.path.open("wb", buffering=0) as log:
            half = data.find(b"\n", len(data) // 2) + 1 if way.startswith("in two") else 0
            log.write(data[:half])
            if way != "in place":
                self.step()
            if way == "in two lives":
                self.restart()
            log.write(data[half:])

    def current(self) -> list[bytes]:
        """The lines in the log."""
        return self.path.read_bytes().splitlines(keepends=True)

    def rotate(self) -> None:
        """The log is renamed and made anew."""
        self.copies += 1
        self.path.rename(self.directory / f"search.log.{self.copies}")
        self.path.touch()

    def down(self) -> None:
        """The daemon stops."""
        self.engine.final_commit(self.now, self.steady)
        self.engine.close()

    def up(self) -> None:
        """It starts."""
        self.engine = self._open()

    def restart(self, name: str | None = None) -> None:
        """The daemon stops and starts, perhaps with another name of the source."""
        self.down()
        self.name = name or self.name
        self.up()

    def pass_week(self) -> None:
        """A week passes, in steps that a clock can be believed by; nothing is logged."""
        for _ in range(28):
            self.step(6 * HOUR)

    def state(self) -> list[Path]:
        """Every file of the state, keys and write-ahead log among them."""
        return sorted(path for path in (self.directory / "state").rglob("*") if path.is_file())

    def finds(self, text: bytes, hashes: Callable[[bytes, list[bytes]], list[bytes]]) -> bool:
        """Is any of the hashes of a text in the state, by the keys that stand there?"""
        files = {path: path.read_bytes() for path in self.state()}
        keys = [data for path, data in files.items() if path.suffix == ".key"]
        result = hashes(text, keys)
        return any(digest in data for digest in result for data in files.values())

    def backfill(self, content: Sequence[bytes], packing: str) -> str | None:
        """The operator counts a file of these lines; what it was refused for, if it was."""
        self.copies += 1
        path = self.directory / f"archive{self.copies}{packing}"
        path.write_bytes(PACKERS[packing](b"".join(content)))
        self.engine.final_commit(self.now, self.steady)
        self.engine.close()
        self.engine = self._open()
        message = None
        try:
            backfill(self.engine, [path], None, lambda: self.now)
        except SourceError as error:
            message = error.problem
        self.engine.close()
        self.engine = self._open()
        return message

    def drop(self, content: Sequence[bytes], packing: str) -> None:
        """A file of these lines appears beside the log, with the name of a rotated one."""
        self.copies += 1
        path = self.directory / f"search.log.{self.copies}{packing}"
        path.write_bytes(PACKERS[packing](b"".join(content)))

    # -- the end ---------------------------------------------------------------------------

    def counted(self) -> int:
        """Searches that are counted."""
        (rows,) = self.engine.store.connection.execute(
            "select coalesce(sum(value), 0) from counters where name = 'lines' and detail = 'query'"
        ).fetchone()
        return int(rows)

    def distinct(self) -> int:
        """Different searches among them."""
        connection = self.engine.store.connection
        hours = connection.execute("select distinct hour from segments").fetchall()
        match = {
            (hour, pseudonym, tick)
            for (hour,) in hours
            for rows in self.engine.store.segments(hour, hour + HOUR)
            for pseudonym, tick in zip(rows.pseudonym.tolist(), rows.tick.tolist(), strict=True)
        }
        return len(match)

    def status_error(self) -> str:
        """What the daemon says is wrong."""
        return "; ".join(source.error or "" for source in self.engine.status().sources)

    def check(self) -> None:
        """Every line counts once."""
        self.settle()
        assert (self.counted(), self.distinct()) == (len(self.lines), len(self.lines))

    def close(self) -> None:
        """End it, and remove its files."""
        self.engine.close()
        shutil.rmtree(self.directory)
