"""What the soak does to a daemon: kills, stops, reloads, and a disk that is full at times."""

from __future__ import annotations

import contextlib
import os
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from soak.clock import JumpingClock
from soak.writer import Habit

DESCRIPTORS = 1024
"""Limit of each daemon, which its visitors' connections alone exceed."""
COMMAND = Path(sys.executable).with_name("donkeywatch")


class Daemon:
    """`donkeywatch run` on a state directory, in one life after the other."""

    def __init__(
        self,
        place: Path,
        name: str,
        logs: Sequence[Habit],
        source: str,
        clock: JumpingClock | None = None,
    ) -> None:
        self.state = place / name
        self.settings = place / f"{name}.toml"
        self.messages = place / f"{name}.txt"
        self.messages.touch()
        self.process: subprocess.Popen[bytes] | None = None
        self._clock = clock
        self._before = 0
        sources = (f'[[source]]\nname = "{w.label}"\npath = "{w.path}"\n{source}' for w in logs)
        self.settings.write_text(
            f'lexicon = "lexicon.toml"\nstate = "{name}"\n[http]\nport = 0\n'
            f"[checkpoint]\ninterval = 0.25\n[time]\nlateness = 10\n{''.join(sources)}"
        )

    def start(self) -> None:
        """Begin a life."""
        self._before = self.messages.stat().st_size
        command = (self._clock and self._clock.command) or [str(COMMAND)]
        shifted = self._clock.environment if self._clock else {}
        with self.messages.open("ab") as out:
            self.process = subprocess.Popen(
                [*command, "run", "-c", str(self.settings)], env=os.environ | shifted,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        limits = (DESCRIPTORS, DESCRIPTORS)
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, limits)

    def until(self, what: str) -> None:
        """Wait until it says something in this life."""
        end = time.monotonic() + 60
        while not self.log_text(what):
            if self.poll() is not None or time.monotonic() > end:
                sys.exit(self.messages.read_text("utf-8"))
            time.sleep(0.05)

    def log_text(self, what: str, *, ever: bool = False) -> int:
        """How often it said something, in this life or in all."""
        with self.messages.open("rb") as file:
            file.seek(0 if ever else self._before)
            return file.read().count(what.encode())

    def port(self) -> int | None:
        """Where it answers in this life; None while it does not."""
        with self.messages.open("rb") as file:
            file.seek(self._before)
            match = re.search(rb"listening on http://[0-9.]+:([0-9]+)\n", file.read(4096))
        return int(match[1]) if match else None

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        assert self.process is not None
        return self.process.poll()

    def end(self, number: int) -> int:
        """Send a signal and wait; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def memory(self) -> float:
        """Resident memory, MB; 0 when it is gone."""
        assert self.process is not None
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            if match := re.search(r"VmRSS:\s+(\d+)", status):
                return int(match[1]) / 1024
        return 0.0

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Rows of its database; none while it cannot be read."""
        with contextlib.suppress(sqlite3.Error):
            db = sqlite3.connect(f"file:{self.state / 'donkeywatch.db'}?mode=ro", uri=True)
            with contextlib.closing(db):
                return db.execute(query).fetchall()
        return []

    def counted(self, rejected: bool = False) -> Counter[str]:
        """Queries that are stored by source, or other lines."""
        return Counter(dict(self.ask(
            "select subject, sum(value) from counters where name = 'lines'"
            f" and detail {'!=' if rejected else '='} 'query' group by subject"
        )))  # type: ignore[arg-type]  # fmt: skip


class Ballast(threading.Thread):
    """Fills a file system for some seconds at a time."""

    def __init__(self, directory: Path, rng: random.Random, first: float) -> None:
        super().__init__()
        self.path = directory / "ballast"
        self.stopping = threading.Event()
        self.episodes, self.full_until = 0, 0.0
        self._rng, self._wait = rng, first

    def run(self) -> None:
        """Fill, hold, free, wait."""
        while not self.stopping.wait(self._wait):
            self.episodes += 1
            end = time.monotonic() + self._rng.uniform(2, 8)
            with self.path.open("ab", buffering=0) as file:
                while time.monotonic() < end and not self.stopping.wait(0.1):
                    self.full_until = end + 3
                    for size in (1 << 20, 4096):
                        with contextlib.suppress(OSError):
                            while file.write(bytes(size)):
                                pass
            self.path.unlink()
            self._wait = self._rng.uniform(15, 35)


@dataclass
class Story:
    """What happened."""

    events: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    witness: list[float] = field(default_factory=list)
    """Resident memory of the witness, MB, a sample a second."""
    lives: list[float] = field(default_factory=list)
    """Resident memory of the other daemon at the end of its lives."""
    stops: list[float] = field(default_factory=list)
    """Seconds from SIGTERM to the end of a life."""


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[bool]:
    """A tmpfs on a directory if we may mount one; told whether."""
    directory.mkdir(mode=0o700)
    options = f"size={megabytes}m,mode=700"
    mounted = os.geteuid() == 0 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "donkeywatch-torture", directory],
        check=False, capture_output=True,
    ).returncode  # fmt: skip
    try:
        yield mounted
    finally:
        if mounted and subprocess.run(["umount", directory], check=False).returncode:
            subprocess.run(["umount", "--lazy", directory], check=True)


def live(daemon: Daemon, story: Story, rng: random.Random) -> int | None:
    """Let a life go on until it is to end: anywhere, soon after it listens or after it stored.

    Its exit code if it ended by itself.
    """
    begun = time.monotonic()
    kind = rng.choice(("anywhere", "listens", "stored"))
    due = begun + (rng.triangular(1, 5, 1.2) if kind == "anywhere" else 8)
    reload_at = begun + rng.uniform(0.5, 12)
    before, listens = daemon.counted().total(), False
    while time.monotonic() < due:
        if (code := daemon.poll()) is not None:
            return code
        time.sleep(0.05)
        listens = listens or daemon.log_text("listening on") > 0
        if listens and time.monotonic() > reload_at:
            os.kill(daemon.process.pid, signal.SIGHUP)  # type: ignore[union-attr]
            reload_at = due + 8
            story.events["reloads"] += 1
        if kind == "listens" and listens:
            kind, due = "", time.monotonic() + rng.uniform(0.1, 2.5)
        if kind == "stored" and listens and daemon.counted().total() > before:
            kind, due = "", time.monotonic() + rng.uniform(0, 0.5)
    return None


def torment(
    daemon: Daemon, witness: Daemon, ballast: Ballast | None, story: Story, rng: random.Random,
    end: float,
) -> None:  # fmt: skip
    """One life after the other, until ``end``."""
    before = 0
    while time.monotonic() < end:
        daemon.start()
        code = live(daemon, story, rng)
        listened = daemon.log_text("listening on")
        full = ballast is not None and time.monotonic() < ballast.full_until
        if code is not None:
            story.events["refused"] += 1
            if code not in (3, 6) or listened or not full:
                story.wrong.append(f"ended by itself with exit code {code}")
            time.sleep(0.3)
            continue
        story.lives.append(daemon.memory())
        if rng.random() < 0.92:
            code = daemon.end(signal.SIGKILL)
            story.events["kills"] += 1
            if code != -signal.SIGKILL:
                story.wrong.append(f"ended by itself with exit code {code}")
        else:
            request = time.monotonic()
            code = daemon.end(signal.SIGTERM)
            story.stops.append(time.monotonic() - request)
            story.events["stops"] += 1
            # Before it listens a signal ends it as any program; a full disk may be complained of.
            if code not in (0, 0 if listened else -signal.SIGTERM, 3 if full else 0):
                story.wrong.append(f"exit code {code} after SIGTERM")
        stored = daemon.counted().total()
        story.events["advanced"] += stored > before
        before = max(before, stored)
        if witness.poll() is not None:
            story.wrong.append(f"the witness ended with exit code {witness.poll()}")
            return
        if rng.random() < 0.15:
            time.sleep(rng.uniform(0.1, 2))
