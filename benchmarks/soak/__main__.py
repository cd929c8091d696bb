"""The soak: a real daemon, killed again and again, on logs whose writers have every habit.

`make soak` runs it for ten minutes. One daemon is killed every few seconds, told to stop, told
to reload, its disk (a small tmpfs, when root) is filled at times, and its wall clock jumps (with
libfaketime). Crowds of clients hold more connections than either daemon has descriptors. Another
one, the witness, follows the same logs and is left in peace, so that its memory can be compared
over time; it takes the first half of the addresses only, thousands as a server's regulars are,
since more addresses rightly need more memory.

Every line is of an address of its own, so in the end each line can be found, once, or not; one
that was counted in another ISO week is found under that week's key. Loopback only; what is mounted
is unmounted at the end.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from donkeywatch.simulation.nonsense import lexicon
from soak.clock import JumpingClock
from soak.fates import fates, ranges
from soak.habits import HABITS
from soak.torments import Ballast, Daemon, Story, small_disk, torment
from soak.visitors import Visitors
from soak.writer import LOGROTATE, Habit

DISK = 64
"""Megabytes of the state's file system, and some more for each minute."""
SETTLED = 7
"""Seconds after which nothing more is counted: an unterminated last line waits for five."""
HALVES = r"(?P<ts>\S+)\t(?P<ip>2001:db8:[0-9a-f]+:[0-9a-f]+::)[0-9a-f]*\t(?P<query>.*)"
"""The format of the witness: addresses of which there are only so many."""
BARS = {"kills": 150, "rotations": 200, "growth": 5.0}
"""What ten minutes must reach, and per cent of memory that they may not."""


class Soak:
    """The logs and the two daemons in a directory."""

    def __init__(self, place: Path, seconds: float, seed: int, *, mounted: bool) -> None:
        self.seconds = seconds
        self.rng = random.Random(seed)
        self.story = Story()
        words = place / "lexicon.toml"
        words.write_text(lexicon(1).toml(), encoding="utf-8")
        words.chmod(0o600)
        self.logs = [
            habit(place / "logs", number, seed, self._counted_by_all)
            for number, habit in enumerate(HABITS, 1)
        ]
        halves = f"format = \"regex\"\npattern = '''{HALVES}'''\n"
        self.clock = JumpingClock(place, random.Random(seed))
        self.daemon = Daemon(place, "state", self.logs, 'format = "tsv"\n', self.clock)
        self.witness = Daemon(place, "witness", self.logs, halves)
        self.visitors = Visitors((self.daemon, self.witness), random.Random(seed))
        first = min(20, seconds / 4)
        self.ballast = Ballast(self.daemon.state, random.Random(seed), first) if mounted else None

    def _counted_by_all(self, label: str) -> int:
        return min(self.daemon.counted()[label], self.witness.counted()[label])

    def run(self) -> None:
        """Everything, up to the end of both daemons."""
        stop = threading.Event()
        threads = [
            threading.Thread(target=self._watch, args=(stop,)),
            threading.Thread(target=self._tell, args=(stop,)),
        ]
        try:
            for daemon in (self.daemon, self.witness):
                daemon.start()
                daemon.until("ready: ")
            self.daemon.end(signal.SIGTERM)
            for thread in (*self.logs, *threads, *self._trouble()):
                thread.start()
            end = time.monotonic() + self.seconds
            torment(self.daemon, self.witness, self.ballast, self.story, self.rng, end)
        finally:
            stop.set()
            for log in self.logs:
                log.stopping.set()
            for thread in self._trouble():
                thread.stopping.set()
            for thread in (*self.logs, *threads, *self._trouble()):
                if thread.ident:
                    thread.join()
        self.story.wrong += [f"{log.label}: {log.failure!r}" for log in self.logs if log.failure]
        self._catch_up()

    def _trouble(self) -> list[Ballast | Visitors | JumpingClock]:
        return [*([self.ballast] if self.ballast else []), self.visitors, self.clock]

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(1):
            self.story.witness.append(self.witness.memory())

    def _tell(self, stop: threading.Event) -> None:
        begun = time.monotonic()
        while not stop.wait(30):
            print(
                f"{time.monotonic() - begun:5.0f} s: {self.story.events['kills']} kills,"
                f" {sum(rotations(self.logs).values())} rotations,"
                f" {sum(log.written for log in self.logs):,} lines written,"
                f" {self.daemon.counted().total():,} counted",
                flush=True,
            )

    def _catch_up(self) -> None:
        """Let both count all there is, wait for what should not come, and stop them."""
        self.daemon.start()
        before, since = (-1, -1), time.monotonic()
        while time.monotonic() - since < 120 and self.daemon.poll() is None:
            now = (self.daemon.counted().total(), self.witness.counted().total())
            if now != before:
                before, since = now, time.monotonic()
            if all(self._counted_by_all(w.label) >= w.written for w in self.logs if w.exact):
                break
            time.sleep(0.3)
        time.sleep(SETTLED)
        for daemon in (self.daemon, self.witness):
            code = daemon.poll() if daemon.poll() is not None else daemon.end(signal.SIGTERM)
            if code:
                self.story.wrong.append(f"exit code {code} at the end")

    def close(self) -> None:
        """End what still runs."""
        for daemon in (self.daemon, self.witness):
            if daemon.process and daemon.poll() is None:
                daemon.end(signal.SIGKILL)


def rotations(logs: Sequence[Habit]) -> Counter[str]:
    """By kind."""
    counts: Counter[str] = Counter()
    for log in logs:
        counts.update(log.rotations)
    return counts


def table(soak: Soak) -> list[str]:
    """Print what became of the lines of every source; what is wrong with them."""
    logs, wrong = soak.logs, []
    message, queries = fates(soak.daemon, logs)
    counted, witnessed = soak.daemon.counted(), soak.witness.counted()
    rejected = soak.daemon.counted(rejected=True) + soak.witness.counted(rejected=True)
    heads = ("written", "counted", "lost", "doubled", "rejected", "witness", "files deleted")
    print(f"\n{'source':<10}" + "".join(f"{head:>{len(head) + 5}}" for head in heads))
    for log, fate in zip(logs, message, strict=True):
        name = log.label
        figures = (
            log.written, counted[name], len(fate.lost), len(fate.doubled), rejected[name],
            witnessed[name], log.deleted,
        )  # fmt: skip
        row = (f"{n:>{len(head) + 5},}" for head, n in zip(heads, figures, strict=True))
        print(f"{name:<10}" + "".join(row) + "  (may lose some)" * (not log.exact))
        if log.exact and len(fate.lost):
            wrong.append(f"{name}: lost lines {ranges(fate.lost)}")
        if len(fate.doubled):
            wrong.append(f"{name}: lines counted twice {ranges(fate.doubled)}")
        if log.exact and rejected[name]:
            wrong.append(f"{name}: {rejected[name]} lines rejected")
        if witnessed[name] > log.written or (log.exact and witnessed[name] != log.written):
            wrong.append(f"{name}: the witness counted {witnessed[name]} of {log.written}")
        if counted[name] != fate.result:
            wrong.append(f"{name}: {fate.result} queries stored, {counted[name]} by the counters")
    if queries != sum(fate.result for fate in message):
        wrong.append("queries were stored for addresses that nobody wrote")
    hours = soak.daemon.ask("select sum(queries) from windows where kind = 'hour'")
    if hours != [(queries,)]:
        wrong.append(f"the hours hold {hours}, the segments {queries}")
    return wrong


def report(soak: Soak) -> list[str]:
    """Print what came of it; the reasons why it failed."""
    story, wrong = soak.story, list(soak.story.wrong) + table(soak)
    events, turned = story.events, rotations(soak.logs)
    print(
        f"\n{events['kills']} kills, {events['stops']} stops (the slowest took"
        f" {max(story.stops, default=0):.1f} s), {events['reloads']} reloads;"
        f" {events['advanced']} of {len(story.lives)} lives stored something"
    )
    print(f"{turned.total()} rotations:", ", ".join(f"{n} {name}" for name, n in turned.items()))
    came = soak.visitors.came
    print(f"{came.total():,} connections:", ", ".join(f"{n:,} {name}" for name, n in came.items()))
    jumped = soak.clock.jumps
    print(
        f"{jumped.total()} jumps of the clock:",
        ", ".join(f"{n} {name}" for name, n in jumped.items()) or "libfaketime is not installed",
    )
    if soak.ballast:
        failed = soak.daemon.log_text("the last commit failed", ever=True)
        print(
            f"{soak.ballast.episodes} times the disk was full: commits failed in {failed} lives,"
            f" {events['refused']} starts were refused"
        )
    else:
        print("left out: the full disk, since only root may mount a small one")
    if not LOGROTATE:
        print("left out: the real logrotate, which is not installed")
    tracebacks = sum(d.log_text("Traceback", ever=True) for d in (soak.daemon, soak.witness))
    if tracebacks:
        wrong.append(f"{tracebacks} unhandled exceptions")
    return wrong + memory(soak)


def memory(soak: Soak) -> list[str]:
    """Print how it grew; whether a long soak missed its bars."""
    samples, events = soak.story.witness, soak.story.events
    begin = int(min(60, soak.seconds / 3))
    growth = 0.0
    if len(samples) > begin + 2:
        first = statistics.median(samples[begin : begin + 15])
        last = statistics.median(samples[-15:])
        growth = 100 * (last / first - 1)
        print(
            f"memory of the witness: {first:.1f} MB after {begin} s, {last:.1f} MB at the end"
            f" ({growth:+.1f} %), at the most {max(samples):.1f} MB"
        )
    if lives := soak.story.lives:
        third = max(1, len(lives) // 3)
        early, late = statistics.median(lives[:third]), statistics.median(lives[-third:])
        known = sum(log.written for log in soak.logs)
        print(
            f"memory of the other at the end of a life: median {early:.1f} MB in the first third,"
            f" {late:.1f} MB in the last, which knows up to {known:,} addresses"
        )
    if soak.seconds < 600:
        return []
    missed = [
        f"{name} {result}, the bar is {BARS[name]:g}"
        for name, result in (
            ("kills", events["kills"]),
            ("rotations", rotations(soak.logs).total()),
        )
        if result < BARS[name]
    ]
    return missed + [f"memory grew by {growth:.1f} %"] * (growth >= BARS["growth"])


def main() -> int:
    """Run it and tell; 1 when a line was lost or doubled, or an exception not handled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, help="instead of minutes")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    options = parser.parse_args()
    seconds = options.seconds or options.minutes * 60
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    place = Path(tempfile.mkdtemp(prefix="donkeywatch-torture-"))
    print(f"{seconds:.0f} s, seed {options.seed}, in {place}", flush=True)
    wrong = ["interrupted"]
    try:
        with small_disk(place / "state", DISK + round(seconds / 12)) as mounted:
            soak = Soak(place, seconds, options.seed, mounted=mounted)
            try:
                soak.run()
                wrong = report(soak)
            finally:
                soak.close()
                if wrong and mounted:
                    shutil.copytree(place / "state", place / "state-kept")
    except KeyboardInterrupt:
        shutil.rmtree(place)
        return 130
    if wrong:
        print("\nWRONG:", *wrong, f"all of it is kept in {place}", sep="\n  ")
        return 1
    shutil.rmtree(place)
    print("\nnothing lost, nothing doubled, no unhandled exception")
    return 0


if __name__ == "__main__":
    sys.exit(main())
