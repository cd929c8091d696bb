"""A log directory and its twin on paper: what was written where, and what must be counted.

The paper side knows nothing of offsets, marks or fingerprints. It knows which line stands in
which file, which files a reader could see when it looked, and what a line is.
"""

from __future__ import annotations

import atexit
import gzip
import itertools
import os
import re
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv6Address
from pathlib import Path
from typing import Literal

import numpy as np

from donkeywatch.counting.calendar import (
    HOUR,
    MINUTE,
    SECOND,
    WEEK,
    floor_to,
    to_ms,
    week_name,
    week_of,
)
from donkeywatch.ingest.address_mac import pseudonyms
from donkeywatch.runtime.commit_scheduler import CommitScheduler
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.reference_data import ReferenceData
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.sources.fingerprints import HEAD
from donkeywatch.sources.follower import MISSING_FILE_TIMEOUT
from donkeywatch.sources.generation_registry import DESCRIPTOR_HOLD_TIME, LAST_LINE_DELAY
from donkeywatch.sources.unknown_files import UNCHANGED_MS

MONDAY = to_ms(datetime(2026, 11, 23, tzinfo=UTC))
"""When a week of the model ends, ms UTC."""
LIMIT = 512
"""Longest line of the model's log, bytes."""
FIRST = 0x1000
"""First serial number: all of them have four digits, so that none begins like another."""
FLAGGED, PLAIN = b"zqorv", b"fnarbl"
LEXICON = """[topics.one.groups]
words = ["zqorv"]
[[topics.one.categories]]
id = "words"
all = ["words"]
"""
SETTINGS = """state = "state"
lexicon = "lexicon.toml"
[[source]]
name = "main"
path = "search.log"
format = "tsv"
max_line = 512
"""
ADDRESS = re.compile(rb"2001:db8::[0-9a-f]{4}")
STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Kind = Literal["query", "flagged", "link", "note", "odd", "nobody", "future", "long", "wide", "gap"]
Cut = Literal["stamp", "tab", "address", "text", "word", "serial", "feed"]
Point = Literal["checkpoint", "close_hour", "replace_rolling"]


@dataclass(eq=False, slots=True)
class Line:
    """One line wherever it stands: a copy of a file holds the same lines."""

    data: bytes = b""
    outcome: str = ""
    hour: int = 0
    time: int = 0
    address: str = ""
    flagged: bool = False

    def read(self) -> None:
        """Decide what the line is, once it is whole; as docs/formats.md says."""
        self.outcome = self._outcome()

    def _outcome(self) -> str:
        if len(self.data) > LIMIT:
            return "too_long"
        parts = self.data.split(b"\t", 2)
        if len(parts) < 3:
            return "other"
        if not STAMP.fullmatch(parts[0]):
            return "bad_time"
        if not ADDRESS.fullmatch(parts[1]):
            return "bad_address"
        words = re.findall(rb"[a-z0-9]+", parts[2].lower())
        if not words or parts[2].startswith(b"ed2k::"):
            return "keywordless"
        if parts[0] > b"2090":
            return "future"
        moment = datetime.strptime(parts[0].decode(), "%Y-%m-%dT%H:%M:%S.%f%z")
        self.time = to_ms(moment)
        self.hour = floor_to(self.time, HOUR)
        self.address = parts[1].decode()
        self.flagged = FLAGGED in words
        return "query"


@dataclass(eq=False, slots=True)
class File:
    """An inode: its whole lines, the one that has no line feed yet, and the writer's descriptor."""

    descriptor: int = -1
    lines: list[Line] = field(default_factory=list)
    part: Line | None = None
    left: int = 0
    """When it ceased to be the log, ms."""
    over: bool = False
    """Nobody will write to it any more."""

    def all(self) -> Iterator[Line]:
        """Its lines; an unterminated last one only when nothing can follow it."""
        yield from self.lines
        if self.over and self.part is not None:
            yield self.part


@dataclass
class Figures:
    """Lines by outcome, and queries by hour."""

    outcomes: Counter[str] = field(default_factory=Counter)
    lines: dict[Line, None] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """Count a line, once."""
        if line not in self.lines:
            self.lines[line] = None
            self.outcomes[line.outcome] += 1

    def queries(self, start: int, end: int) -> tuple[int, int]:
        """Queries in [start, end) ms, and flagged ones."""
        items = [n for n in self.lines if n.outcome == "query" and start <= n.time < end]
        return len(items), sum(line.flagged for line in items)


@cache
def template() -> tuple[Path, Settings, ReferenceData]:
    """A state directory as the first start leaves it, to be copied; what reading it needs."""
    directory = new_directory()
    words = directory / "lexicon.toml"
    words.write_text(LEXICON)
    words.chmod(0o600)
    (directory / "settings.toml").write_text(SETTINGS)
    settings = loader.load(directory / "settings.toml", {})
    materials = ReferenceData.load(settings)
    Engine(settings, MONDAY - WEEK, materials).close()
    return directory, settings, materials


@cache
def _root() -> Path:
    """Where this process has its worlds, in memory where there is a way, until it ends."""
    shm = Path("/dev/shm")
    made = tempfile.mkdtemp(prefix="donkeywatch-model-", dir=shm if shm.is_dir() else None)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def new_directory() -> Path:
    """An empty directory."""
    return Path(tempfile.mkdtemp(dir=_root()))


class World:
    """The server, the operator and the clock on one side, the engine on the other."""

    def __init__(
        self,
        *,
        before: int = 70 * MINUTE,
        link: bool = False,
        shift: bool = False,
        history: Literal["", "plain", "gz"] = "",
    ) -> None:
        """Begin ``before`` ms before a Monday with an empty log, which the engine has seen.

        ``link``: the log's path is a symbolic link. ``shift``: rotation moves .1 to .2 and so on,
        else names are never used again. ``history``: what was rotated away before the first start.
        """
        source, settings, self._materials = template()
        self.directory = new_directory()
        self.logs = self.directory / "logs"
        self.logs.mkdir()
        self.path = self.logs / "search.log"
        shutil.copytree(source / "state", self.directory / "state")
        follow = settings.source[0].model_copy(update={"path": self.path})
        self._settings = settings.model_copy(
            update={"state": self.directory / "state", "source": (follow,)}
        )
        self.now = MONDAY - before
        self.link, self.shift = link, shift
        self.current = "search-20261122.0.log" if link else "search.log"
        self.names: dict[str, File] = {}
        self.hidden: dict[str, File] = {}
        self.gone: list[File] = []
        """Files without a name into which somebody may still write."""
        self.may, self.must = Figures(), Figures()
        """Lines that were ever whole on disk, and those of them that must have been counted."""
        self.exact = True
        """No unfinished piece of a line was destroyed."""
        self.smooth = True
        """The engine was always up and the log always there, so all seconds are covered."""
        self._emptied = False
        """The log was emptied, and no look since then was stored."""
        self._last_look = self.now
        self.engine: Engine | None = None
        self._serial = itertools.count(FIRST)
        self._number = itertools.count(1)
        self._tick = itertools.count()
        self._rest, self._rest_file = b"", File()
        self._dangling = self._holed = False
        self._history: dict[Line, None] = {}
        self._files: list[File] = []
        self._fresh: dict[File, None] = {}
        """Files that were put in the place of others since the last look."""
        self._held: dict[File, None] = {}
        self._batch: dict[Line, None] = {}
        """Lines that were read and are not stored yet."""
        self._rolled: dict[Line, None] = {}
        self._starts = 0
        self._unknown: set[File] = set()
        """Rotated files of which nothing had been read at the start, and copies of what was not
        read yet: nothing tells that they were the log."""
        self._first_seen: dict[File, int] = {}
        self._foreign: set[File] = set()
        """Of these, what was written to after it was seen: another program's, for all that anybody
        can tell, and to be told."""
        self._copies = 0
        """How often lines were left standing twice, or where others of their file had stood."""
        """Lines that were read and could not be stored, so that they must be read again."""
        self._gone_since: int | None = None
        self._abandoned = False
        self._written = 0
        """Bytes that were ever written: into logs, holes and copies included."""
        self._half: dict[str, tuple[str, bytes]] = {}
        if history:
            self._make_history(history)
        if link:
            self.path.symlink_to(self.current)
        self.create()
        self.begun = self.now
        self.start()

    def _make_history(self, kind: str) -> None:
        file = self._new_file("search.log.90")
        self._append(file, b"".join(self._line("query") for _ in range(3)))
        self._history.update(dict.fromkeys(file.lines))
        self.may, file.over = Figures(), True
        if kind == "gz":
            self._pack("search.log.90")
            self._unlink("search.log.90")

    # -- the server ----------------------------------------------------------------------

    def _line(self, kind: Kind) -> bytes:
        serial = next(self._serial)
        moment = datetime.fromtimestamp(self.now / 1000, UTC)
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{self.now % 1000:03d}Z"
        address = f"2001:db8::{serial:04x}"
        match kind:
            case "link":
                text = f"{stamp}\t{address}\ted2k::{serial}"
            case "note":
                text = f"note {serial}"
            case "odd":
                text = f"{serial}-11\t{address}\tfnarbl {serial}"
            case "nobody":
                text = f"{stamp}\tnobody{serial}\tfnarbl {serial}"
            case "future":
                text = f"2099-{stamp[5:]}\t{address}\tfnarbl {serial}"
            case "long":
                text = f"{stamp}\t{address}\tfnarbl {'x' * LIMIT} {serial}"
            case "wide":
                text = f"{stamp}\t{address}\tfnarbl {'x' * 400} {serial}"
            case "flagged":
                text = f"{stamp}\t{address}\tzqorv {serial}"
            case "gap":
                # An empty line is never the first of a file: all files would begin alike.
                text = f"{stamp}\t{address}\tfnarbl {serial}\n"
            case _:
                text = f"{stamp}\t{address}\tfnarbl {serial}"
        return text.encode() + b"\n"

    def _append(self, file: File, data: bytes) -> None:
        self._written += os.write(file.descriptor, data)
        self._note(file, data)

    def _note(self, file: File, data: bytes) -> None:
        os.utime(file.descriptor, ns=(self._mtime(), self._mtime()))
        *whole, part = data.split(b"\n")
        for piece in whole:
            line, file.part = file.part or Line(), None
            line.data += piece
            line.read()
            file.lines.append(line)
            self.may.add(line)
        if part:
            file.part = file.part or Line()
            file.part.data += part

    def _mtime(self) -> int:
        return self.now * 1_000_000 + next(self._tick)

    def _new_file(self, name: str) -> File:
        path = self.logs / name
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        file = self.names[name] = File(os.open(path, flags, 0o644))
        self._files.append(file)
        return file

    @property
    def log(self) -> File | None:
        """The file at the log's path."""
        return None if self._dangling else self.names.get(self.current)

    def create(self) -> File:
        """The server makes the log where there is none."""
        return self.log or self._new_file(self.current)

    def write(self, count: int = 1, kind: Kind = "query") -> None:
        """The server logs some searches; a line that it had begun is finished first."""
        log = self.create()
        self._finish()
        self._append(log, b"".join(self._line(kind) for _ in range(count)))

    def write_part(self, cut: Cut = "word", kind: Kind = "query") -> None:
        """The server's buffer is flushed in the middle of a line."""
        log = self.create()
        self._finish()
        line = self._line(kind)
        at = self._cut(line, cut)
        if not log.lines and (line.count(b"\t") < 2 or at <= line.rfind(b"\t")):
            # A file that holds a piece of a stamp and nothing else is the beginning of any
            # log of that day: no reader could tell whose it is when it is renamed like this.
            at = len(line.rstrip(b"\n"))
        self._append(log, line[:at])
        self._rest, self._rest_file = line[at:], log

    @staticmethod
    def _cut(line: bytes, cut: Cut) -> int:
        # Never inside the serial number, so that what is left of a line is like no other.
        tab = max(line.find(b"\t"), 2)
        second = max(line.find(b"\t", tab + 1), tab)
        return {
            "stamp": 2,
            "tab": tab,
            "address": (tab + second) // 2 if second > tab + 5 else tab,
            "text": second + 1 if second > tab else tab,
            "word": second + 3 if second > tab else tab,
            "serial": max(line.rfind(b" "), second) + 1,
            "feed": len(line.rstrip(b"\n")),
        }[cut]

    def _finish(self) -> None:
        """The rest of a line that was begun; it goes where its beginning went."""
        if self._rest and not self._rest_file.over:
            self._append(self._rest_file, self._rest)
        self._rest = b""

    def _complete(self) -> None:
        """The server finishes what it has begun."""
        log = self.create()
        self._finish()
        if log.part is not None:
            self._append(log, b"\n")

    def break_off(self) -> None:
        """The server is killed in the middle of a line; its next life goes on right behind it."""
        self._rest = b""

    def write_old(self, count: int = 1) -> None:
        """A server that was not told of the rotation logs into the file it has open."""
        old = [f for f in self._files if f is not self.log and not f.over]
        if old:
            # Its fingerprint goes with the keys of its week; then its searches alone are known.
            self._copies += week_of(self.now) > week_of(old[-1].left)
            if old[-1] in self._first_seen and self.must.lines.keys().isdisjoint(old[-1].lines):
                self._foreign.add(old[-1])
            self._finish()
            self._append(old[-1], b"".join(self._line("query") for _ in range(count)))

    # -- the operator and logrotate ------------------------------------------------------

    def _leave(self, file: File, *, over: bool = False) -> None:
        """A file is no longer the log."""
        file.left = self.now
        if over:
            self._end(file)

    def _end(self, file: File) -> None:
        """Nobody writes to this file any more: what it ends with is a line."""
        if file.over:
            return
        file.over = True
        if self._rest_file is file:
            self._rest = b""
        if file.part is not None:
            file.part.read()
            self.may.add(file.part)

    def _rotated_name(self) -> str:
        if not self.shift:
            return f"search.log.{next(self._number)}"
        numbered = [n for n in self.names if re.fullmatch(r"search\.log\.\d+(\.gz)?", n)]
        for name in sorted(numbered, key=lambda n: -int(n.split(".")[2])):
            parts = name.split(".")
            parts[2] = str(int(parts[2]) + 1)
            self._move(name, ".".join(parts))
        return "search.log.1"

    def _move(self, name: str, to: str) -> None:
        (self.logs / name).rename(self.logs / to)
        self.names[to] = self.names.pop(name)
        if name in self._half:
            self._half[to] = self._half.pop(name)
        for packed, (plain, data) in list(self._half.items()):
            if plain == name:
                self._half[packed] = (to, data)

    def rename(self, create: bool = True) -> None:
        """Rotate by renaming; the server makes a new log at once, or with its next line."""
        if (log := self.log) is None:
            return
        self._move(self.current, self._rotated_name())
        self._leave(log)
        if create:
            self.create()

    def hide(self) -> None:
        """The log is moved to where nobody looks, and made anew."""
        if (log := self.log) is None:
            return
        name = f"kept{next(self._number)}"
        (self.logs / self.current).rename(self.logs / name)
        self.hidden[name] = self.names.pop(self.current)
        self._leave(log)
        self.create()

    def recreate(self) -> None:
        """Somebody deletes the log, and the server makes it anew."""
        if (log := self.log) is None:
            return
        self._unlink(self.current)
        self._leave(log, over=True)
        self.create()

    def swap(self, gap: int = 0) -> None:
        """The link is pointed to a new dated file; ``gap`` ms without a link, or at once."""
        if not self.link:
            return
        if (log := self.log) is not None:
            self._leave(log)
        self.current = f"search-20261122.{next(self._number)}.log"
        self.create()
        if gap:
            self.path.unlink()
            self._dangling = True
            self.step(gap)
            self._dangling = False
            self.path.symlink_to(self.current)
        else:
            new = self.logs / "new-link"
            new.symlink_to(self.current)
            new.replace(self.path)

    def copytruncate(self, late: int = 0) -> None:
        """Copy the log away and empty it; ``late`` lines are written between the two."""
        self._copies += 1
        if (log := self.log) is None or not (log.lines or log.part):
            return
        self._copy_to(self._rotated_name(), (self.logs / self.current).read_bytes(), log)
        if late:
            self.write(late)
        self._empty(log)

    def _copy_to(self, name: str, data: bytes, original: File) -> File:
        self._written += (self.logs / name).write_bytes(data)
        os.utime(self.logs / name, ns=(self._mtime(), self._mtime()))
        copy = self.names[name] = File(-1, list(original.lines), left=self.now)
        if original.part is not None:
            # The piece in the copy stays one; its rest goes on in the emptied log.
            copy.part = Line(original.part.data)
        read = {*self.must.lines, *self._batch, *self._rolled}
        if read.isdisjoint(copy.lines):
            self._unknown.add(copy)
        self._end(copy)
        return copy

    def _empty(self, log: File, keep: int = 0) -> None:
        """Cut a file short, to whole lines."""
        self._emptied = True
        if log.part is not None:
            self.exact = False
        if keep or not self._rest.strip() or self._rest_file is not log:
            self._rest = b""  # Not an empty first line: files would begin alike.
        log.lines, log.part = log.lines[:keep], None
        os.truncate(log.descriptor, self._length(log))

    def _length(self, file: File) -> int:
        """Bytes of the lines that a file still has on paper."""
        data = os.pread(file.descriptor, 1 << 20, 0)
        at = len(data) - len(data.lstrip(b"\0")) if file.lines else 0
        for line in file.lines:
            at = data.index(line.data, at) + len(line.data) + 1
        return at

    def truncate(self, keep: int = 0, hole: bool = False) -> None:
        """The log is emptied, or loses its end; a writer that does not append leaves a hole."""
        self._copies += 1
        if (log := self.log) is None:
            return
        if log in self._fresh or self.engine is None:
            # It would be the beginning of a deleted file of which nothing has been read either:
            # without a look in between nobody can tell a cut copy from a log that begins alike.
            # Nor, by the same token, when lines follow before anybody looked: see below.
            keep = 0
        size = os.fstat(log.descriptor).st_size
        self._empty(log, keep)
        if size >= HEAD:
            # Of two logs with the same first 4096 bytes, none here, the second one cannot be told
            # from the first one cut short: one such hole is enough.
            hole, self._holed = hole and not self._holed, self._holed or hole
        if hole and size and not keep:
            self._rest = b""
            line = self._line("query")
            descriptor = os.open(self.path, os.O_WRONLY)
            self._written += size + os.pwrite(descriptor, line, size)
            os.close(descriptor)
            self._note(log, line)
        if keep:
            # Logs may begin alike, with a banner say, and are two where they go on differently.
            self.step(SECOND)

    def rewrite(self, more: int | None = None) -> None:
        """Other lines are written over the log in place: to the same size, or ``more`` bytes."""
        if (log := self.log) is None:
            return
        size = os.fstat(log.descriptor).st_size
        data = b""
        self._rest = b""
        while len(data) < size + (more or 0) - 160:
            data += self._line("query")
        left = size + (more or 0) - len(data)
        if left < 60:
            return
        line = self._line("query")
        data += line[:-5] + b"x" * (left - len(line) - 1) + b" " * (left > len(line)) + line[-5:]
        self._empty(log)
        self._append(log, data)

    def replace(self, count: int = 1) -> None:
        """A tool writes all of the log and some more lines into a new file, over the log's name."""
        self._copies += 1
        if (log := self.log) is None or not log.lines:
            return
        self._finish()
        data = (self.logs / self.current).read_bytes()
        self._unlink(self.current)
        # Nobody writes to the old one: two logs that begin alike and go on differently.
        self._leave(log, over=True)
        new = self._new_file("search.log.new")
        self._written += os.write(new.descriptor, data)
        self._fresh[new] = None
        new.lines = list(log.lines)
        new.part = Line(log.part.data) if log.part is not None else None
        self._append(new, b"".join(self._line("query") for _ in range(count)))
        (self.logs / "search.log.new").rename(self.logs / self.current)
        self.names[self.current] = self.names.pop("search.log.new")

    def reuse(self, which: int = 0) -> None:
        """While donkeywatch is down: a rotated file goes, and the new log has its inode."""
        busy = {plain for plain, _ in self._half.values()}
        old = [n for n in self.rotated() if self.names[n].descriptor >= 0 and n not in busy]
        if self.engine is not None or self.log is not None or not old:
            return
        name = old[which % len(old)]
        file = self.names.pop(name)
        self._end(file)
        os.truncate(self.logs / name, 0)
        (self.logs / name).rename(self.logs / self.current)
        self.names[self.current] = new = File(os.dup(file.descriptor))
        self._files.append(new)

    def rotated(self) -> list[str]:
        """Names of the rotated files, the .gz ones too."""
        return [name for name in self.names if name != self.current]

    def _plain(self) -> list[str]:
        return [
            name
            for name in self.rotated()
            if not name.endswith(".gz")
            and f"{name}.gz" not in self.names
            and (self.names[name].lines or self.names[name].part)
        ]

    def _pack(self, name: str) -> str:
        file = self.names[name]
        if file.part is not None:
            # A piece in an archive is a line. Were the plain file to go on with the rest of it,
            # no reader could know what the line was.
            self._end(file)
        path = self.logs / f"{name}.gz"
        path.write_bytes(gzip.compress((self.logs / name).read_bytes(), 1, mtime=0))
        state = (self.logs / name).stat()
        os.utime(path, ns=(state.st_mtime_ns, state.st_mtime_ns))
        packed = self.names[path.name] = File(-1, list(file.lines), file.part, self.now)
        packed.over = True
        if file in self._unknown:
            self._unknown.add(packed)
        if file in self._foreign:
            self._foreign.add(packed)
        return path.name

    def compress(self, which: int = 0, keep: bool = False) -> None:
        """A rotated file becomes a .gz, or gets one beside it."""
        self._copies += 1
        if plain := self._plain():
            name = plain[which % len(plain)]
            self._pack(name)
            if not keep:
                self._unlink(name)

    def begin_compress(self, which: int = 0) -> None:
        """The compressor has written half of the .gz."""
        self._copies += 1
        if plain := self._plain():
            name = plain[which % len(plain)]
            packed = self._pack(name)
            self._end(self.names[name])
            data = (self.logs / packed).read_bytes()
            (self.logs / packed).write_bytes(data[: len(data) // 2])
            self.names[packed].lines, self.names[packed].part = [], None
            self._half[packed] = (name, data)

    def finish_compress(self) -> None:
        """It writes the other half, and removes the plain file."""
        for packed, (name, data) in self._half.items():
            plain = self.names[name]
            (self.logs / packed).write_bytes(data)
            self.names[packed].lines, self.names[packed].part = list(plain.lines), plain.part
            self._unlink(name)
        self._half.clear()

    def delete(self, which: int = 0) -> None:
        """A rotated file is deleted."""
        busy = {name for name, _ in self._half.values()} | set(self._half)
        if names := [name for name in self.rotated() if name not in busy]:
            self._unlink(names[which % len(names)])

    def _unlink(self, name: str) -> None:
        (self.logs / name).unlink()
        file = self.names.pop(name)
        if file.part is not None:
            self.exact = False

    # -- the engine and the clock --------------------------------------------------------

    def start(self) -> None:
        """The daemon starts, and looks."""
        if self.engine is None:
            self._starts += 1
            log = self.log
            self._unknown = {
                file
                for file in self.names.values()
                if file is not log and self.must.lines.keys().isdisjoint(file.lines)
            }
            self._first_seen.clear()
            self.engine = Engine(self._settings, self.now, self._materials)
            self._held.clear()
            self._batch.clear()
            self._rolled.clear()
            self._gone_since = None
            self._look()

    def stop(self) -> None:
        """SIGTERM: it commits what it has read, and ends."""
        if self.engine is not None:
            self.engine.commit(self.now, self.now)
            self.must_have(self._batch)
            self._down()

    def kill(self, look: bool = True) -> None:
        """SIGKILL, with something read and not committed, or before a look."""
        if self.engine is not None:
            if look:
                lazy = self.engine.settings.checkpoint.model_copy(update={"interval": 1e9})
                self.engine.scheduler = CommitScheduler(lazy, 1.0)
                self.engine.scheduler.on_commit(self.now)
                self.engine.tick(self.now)
            self._down()

    def _down(self) -> None:
        assert self.engine is not None
        self.engine.close()
        self.engine = None
        self.smooth = False

    def fail(self, ms: int = SECOND, point: Point = "checkpoint") -> None:
        """The database cannot be written, at a point of the way."""
        if self.engine is None:
            return
        hit = False

        def broken(*_: object, **__: object) -> None:
            nonlocal hit
            hit = True
            raise sqlite3.OperationalError("disk I/O error")

        self._pass(ms)
        store = self.engine.store
        setattr(store, point, broken)
        while self.engine.tick(self.now):
            pass
        delattr(store, point)
        self._looked(failed=hit and point == "checkpoint")

    def step(self, ms: int = SECOND) -> None:
        """Time goes on, and the daemon looks if it is there."""
        self._pass(ms)
        if self.engine is not None:
            self._look()

    def week(self) -> None:
        """Down until half an hour into the next week; all had been read.

        Were the engine up, it would close 168 hours that are covered and empty, one by one: half
        of the time that all of this takes. Steps of an hour cross a Monday with the engine up.
        """
        self.start()
        self._complete()
        # A piece at the end of a rotated file is read when that has settled, not weeks later.
        for ms in (SECOND, SECOND, LAST_LINE_DELAY + SECOND, SECOND):
            self.step(ms)
        self._skip_to(week_of(self.now) + WEEK + 30 * MINUTE)

    def _skip_to(self, time: int) -> None:
        self.stop()
        self._pass(time - self.now)
        self.start()

    def _pass(self, ms: int) -> None:
        self.now += ms
        file = self._rest_file
        if file is not self.log and self.now - file.left >= LAST_LINE_DELAY:
            # Nobody can know that a line goes on which has stood there unfinished for so long.
            self._end(file)
        for old in self._files:
            if (
                old is not self.log
                and old.part is not None
                and self.now - old.left >= LAST_LINE_DELAY
            ):
                self._end(old)

    def _look(self) -> None:
        assert self.engine is not None
        while self.engine.tick(self.now):
            pass
        self._looked()

    # -- what must be counted ------------------------------------------------------------

    def _readable(self) -> dict[File, None]:
        """Files that the engine can read at this look: by name, or because it has them open."""
        return dict.fromkeys([*self.names.values(), *self._held])

    def _looked(self, *, failed: bool = False) -> None:
        assert self.engine is not None
        self._fresh.clear()
        readable = self._readable()
        done = self.must.lines | self._history
        for file in self._unknown:
            if file.lines:
                self._first_seen.setdefault(file, self.now)
        lines = [
            line
            for file in readable
            for line in file.lines
            if line not in done
            and file not in self._foreign
            # One that may be another program's has to stay as it is for a while first.
            and self.now - self._first_seen.get(file, 0) >= UNCHANGED_MS
        ]
        self._batch.update(dict.fromkeys(lines))
        silence = self._settings.time.max_gap * SECOND
        unseen = self._emptied and self.now - self._last_look > silence
        if self.log is None or unseen:
            # What else stood in a log that was emptied long after the last look, nobody knows.
            self.smooth = False
        if failed:
            self._rolled.update(self._batch)
            self._batch.clear()
        elif not self.engine.scheduler.pending_bytes:
            self.must_have(self._batch)
            if self._gone_since is None and any(n not in self.must.lines for n in self._rolled):
                self._gone_since = self.now
            self._batch.clear()
            self._rolled.clear()
            self._emptied, self._last_look = False, self.now
            self._check_counters()
        if (
            self._gone_since is not None
            and self.now - self._gone_since > MISSING_FILE_TIMEOUT + SECOND
        ):
            self._abandoned = True
        held = [f for f in self._held if self.now - f.left < DESCRIPTOR_HOLD_TIME]
        held += [f for f in readable if any(n in self._batch or n in self._rolled for n in f.lines)]
        log = self.log
        self._held = dict.fromkeys([*held, *([log] if log is not None else [])])
        if log is not None:
            log.left = self.now

    def must_have(self, lines: Iterable[Line]) -> None:
        """These lines were on disk at a look whose result is stored."""
        for line in lines:
            if line not in self._history:
                self.must.add(line)

    def _check_counters(self) -> None:
        message = self._lines()
        least, most = self.must.outcomes, self.may.outcomes
        for outcome in {*message, *least}:
            assert message[outcome] >= least[outcome], f"lost: {outcome}"
            # Lines without a search among them are known by no search: a copy counts them anew.
            times = 1 if outcome == "query" else 1 + self._copies
            assert message[outcome] <= most[outcome] * times, f"doubled: {outcome}"

    def _lines(self) -> Counter[str]:
        assert self.engine is not None
        rows = self.engine.store.connection.execute(
            "select detail, value from counters where name = 'lines'"
        )
        return Counter({outcome: value for outcome, value in rows if value})

    # -- the end -------------------------------------------------------------------------

    def check(self) -> None:
        """Let everything settle, close the hours and the week, and compare all figures."""
        self.start()
        self._complete()
        self.finish_compress()
        # Coverage alone is stored every half a minute.
        for ms in (
            SECOND,
            SECOND,
            LAST_LINE_DELAY + SECOND,
            SECOND,
            MISSING_FILE_TIMEOUT + SECOND,
            31 * SECOND,
        ):
            self.step(ms)
        assert self.engine is not None
        (source,) = self.engine.status().sources
        for file in self.names.values():
            if file not in self._foreign or source.error is None:  # Counted, or told.
                self.must_have(file.all())
        self._check_counters()
        self._check_addresses()
        self._check_windows(("1h", "24h", "7d"), closed=False)
        self._check_losses()
        self.step(HOUR + 3 * MINUTE)
        self._check_windows(("hour",), closed=True)
        self._skip_to(week_of(self.now) + WEEK + 3 * MINUTE)
        self._check_windows(("hour", "week"), closed=True)
        # A clock that was just started is believed after six hours.
        for ms in (6 * HOUR, HOUR):
            self.step(ms)
        self._check_destroyed()

    def _check_addresses(self) -> None:
        """Line by line, by the pseudonym of its address: none is missing and none is twice."""
        assert self.engine is not None
        counted: Counter[int] = Counter()
        for rows in self.engine.store.segments(0, 1 << 60):
            for name, queries in zip(rows.pseudonym.tolist(), rows.queries.tolist(), strict=True):
                counted[name] += queries
        names: dict[int, Line] = {}
        for week in {week_of(n.time) for n in self.may.lines if n.outcome == "query"}:
            path = self._settings.key_directory / f"{week_name(week)}.key"
            if not path.exists():
                continue
            lines = [n for n in self.may.lines if n.outcome == "query" and week_of(n.time) == week]
            packed = b"".join(IPv6Address(n.address).packed for n in lines)
            column = np.frombuffer(packed, np.uint8).reshape(-1, 16)
            names |= dict(zip(pseudonyms(column, path.read_bytes()).tolist(), lines, strict=True))
        doubled = [names[n].data for n, queries in counted.items() if queries > 1]
        assert not doubled, f"doubled: {doubled}"
        unknown = [n for n in counted if n not in names]
        assert not unknown, f"{len(unknown)} addresses that were never written"
        lost = [n.data for name, n in names.items() if n in self.must.lines and name not in counted]
        assert not lost, f"lost: {lost}"

    def _check_windows(self, kinds: tuple[str, ...], *, closed: bool) -> None:
        assert self.engine is not None
        rows = self.engine.store.connection.execute(
            "select w.kind, w.start, w.until, w.queries, w.addresses, w.sum_qq, w.closed,"
            " t.queries, t.addresses_1, t.sum_qk, t.sum_kk, coalesce(t.exclusive_queries,"
            " t.queries)"
            " from windows w left join"
            " window_topics t on w.kind = t.kind and w.start = t.start"
        ).fetchall()
        sums: Counter[str] = Counter()
        for kind, start, until, queries, addresses, qq, is_closed, flagged, *rest in rows:
            if kind not in kinds or (closed and until > self.now - 2 * MINUTE):
                continue
            assert is_closed, (kind, start)
            least, most = self.must.queries(start, until), self.may.queries(start, until)
            assert least[0] <= queries <= most[0], (kind, start, queries, least, most)
            assert queries == addresses == qq, (kind, start, queries, addresses, qq)
            if queries:
                assert least[1] <= flagged <= most[1], (kind, start, flagged, least, most)
                assert rest == [flagged] * 4, (kind, start, flagged, rest)
            sums[kind] += queries
        message = self._lines()
        for kind in {"hour", "week"} & set(kinds):
            assert sums[kind] == message["query"], (kind, sums[kind], message["query"])

    def _check_losses(self) -> None:
        """The other counters say what happened, and what was not covered."""
        assert self.engine is not None
        database = self.engine.store.connection
        rows = database.execute("select name, sum(value) from counters group by name").fetchall()
        counters: Counter[str] = Counter(dict(rows))
        covered = self.covered()
        span = (self.now - self.begun) / SECOND
        assert covered[0] <= span + 0.001, (covered, span)
        assert covered[1] <= 3600
        if self._abandoned:
            assert counters["lost_bytes"], "lost without a word"
        assert counters["lost_bytes"] <= self._written, "lost more than there was"
        if counters["lost_bytes"]:
            assert covered[0] < span - 0.0005, (covered, span)
        complete = self.exact and len(self.must.lines) == len(self.may.lines)
        if complete:
            # A file that was counted and is nowhere after a start is told, a byte for what may
            # have been added to it.
            assert counters["lost_bytes"] <= self._starts, "nothing was lost"
            if self.smooth:
                assert abs(covered[0] - span) < 0.001, (covered, span)
        assert not counters["invariant_violations"]
        flagged = sum(line.flagged for line in self.must.lines)
        assert flagged <= counters["flagged"] <= sum(line.flagged for line in self.may.lines)

    def covered(self) -> tuple[float, float]:
        """Seconds covered in all, and in the hour with most of them."""
        assert self.engine is not None
        rows: tuple[float, float] = self.engine.store.connection.execute(
            "select coalesce(sum(covered_seconds), 0), coalesce(max(covered_seconds), 0)"
            " from windows where kind = 'hour'"
        ).fetchone()
        return rows

    def _check_destroyed(self) -> None:
        """No key and no segment is older than the week before this one."""
        assert self.engine is not None
        oldest = week_of(self.now - 2 * MINUTE) - WEEK
        keys = {path.stem for path in self._settings.key_directory.glob("*-W*.key")}
        assert keys <= {week_name(oldest), week_name(oldest + WEEK), week_name(oldest + 2 * WEEK)}
        rows = self.engine.store.connection.execute(
            "select count(*) from segments where hour < ?", (oldest,)
        ).fetchone()
        assert rows == (0,)
        bridges = self.engine.store.connection.execute(
            "select count(*) from previous_pseudonyms join segments on segment = segments.id"
            " where hour < ?",
            (oldest + WEEK,),
        ).fetchone()
        assert bridges == (0,)

    def close(self) -> None:
        """Give everything back."""
        if self.engine is not None:
            self.engine.close()
        for file in self._files:
            os.close(file.descriptor)
        shutil.rmtree(self.directory)
