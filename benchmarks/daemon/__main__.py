"""The bars of the running daemon: latency and CPU under load and idle, memory in a full week.

`make bench-daemon` runs it; the figures are printed and depend on the machine. Loopback only.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from donkeywatch.simulation.nonsense import lexicon

TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def daemon(
    directory: Path,
    interval: float = 1.0,
    more: str = "",
    command: Sequence[str] = (sys.executable, "-m", "donkeywatch"),
    surroundings: Mapping[str, str] | None = None,
) -> Iterator[tuple[int, str]]:
    """A daemon on ``directory``/search.log; its process id and URL. ``more`` are settings."""
    words = directory / "lexicon.toml"
    words.write_text(lexicon(1).toml(), encoding="utf-8")
    words.chmod(0o600)
    settings = directory / "donkeywatch.toml"
    settings.write_text(
        'lexicon = "lexicon.toml"\nstate = "state"\n[http]\nport = 0\n'
        f"[checkpoint]\ninterval = {interval}\n{more}"
        '[[source]]\npath = "search.log"\nformat = "tsv"\n'
    )
    with (directory / "said").open("w") as message:
        process = subprocess.Popen(
            [*command, "run", "-c", str(settings)],
            env={**os.environ, **(surroundings or {})},
            stderr=message,
        )
    try:
        while not (match := re.search(r"listening on (\S+)", (directory / "said").read_text())):
            if process.poll() is not None:
                sys.exit((directory / "said").read_text())
            time.sleep(0.05)
        yield process.pid, match[1]
    finally:
        process.terminate()
        process.wait(timeout=30)


def queries(url: str) -> int:
    """Queries counted so far."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return int(float(re.search(r"^donkeywatch_queries_total (\S+)", text, re.MULTILINE)[1]))  # type: ignore[index]


def cpu(process: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak(process: int) -> float:
    """Largest resident set so far, MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def visible(url: str, log: Path, now: datetime, pause: float = 0.01) -> float:
    """Seconds from writing one line to seeing it in /metrics, asked for after every pause."""
    before = queries(url)
    with log.open("a") as file:
        file.write(f"{now:%Y-%m-%dT%H:%M:%S}.000Z\t192.0.2.1\tqvorm zqatal\n")
    start = time.perf_counter()
    while queries(url) == before:
        time.sleep(pause)
    return time.perf_counter() - start


def latency(url: str, log: Path, lines: int) -> list[float]:
    """Seconds from writing a line to seeing it in /metrics, for some single lines."""
    items = []
    for _ in range(lines):
        items.append(visible(url, log, datetime.now(UTC)))
        time.sleep(0.37)
    return items


class Writer(threading.Thread):
    """Writes lines at an even rate, a hundredth of a second's worth at a time."""

    def __init__(self, log: Path, rate: float) -> None:
        super().__init__(daemon=True)
        self._log, self._rate = log, rate
        self.written = 0
        self.stop = threading.Event()

    def run(self) -> None:
        """Write until told to stop; nothing is caught up that the machine did not allow."""
        rng = np.random.default_rng(2)
        begun = time.perf_counter()
        with self._log.open("a") as file:
            while not self.stop.wait(0.01):
                due = int((time.perf_counter() - begun) * self._rate) - self.written
                stamp = datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
                numbers = rng.integers(0, 1 << 24, size=due).tolist()
                file.writelines(
                    f"{stamp}\t10.{a >> 16}.{a >> 8 & 255}.{a & 255}\tqvorm zqatal {a % 977}\n"
                    for a in numbers
                )
                file.flush()
                self.written += due


def under_load(directory: Path, rate: float, seconds: float, interval: float) -> None:
    """Latency from a line's end of writing to /metrics, and CPU while nobody asks."""
    log = directory / "search.log"
    log.touch()
    with daemon(directory, interval) as (process, url):
        writer = Writer(log, rate)
        writer.start()
        time.sleep(3)
        before, begun = cpu(process), time.perf_counter()
        time.sleep(seconds / 4)
        used = (cpu(process) - before) / (time.perf_counter() - begun)
        items = []
        while time.perf_counter() - begun < seconds:
            mark, start = writer.written, time.perf_counter()
            while queries(url) < mark:
                time.sleep(0.005)
            items.append(time.perf_counter() - start)
            time.sleep(0.25 + 0.1 * float(np.random.default_rng(len(items)).random()))
        writer.stop.set()
        writer.join()
        took = time.perf_counter() - begun
    middle, high = (1000 * float(np.quantile(items, q)) for q in (0.5, 0.99))
    print(
        f"{rate:,.0f} lines/s for {took:.0f} s ({writer.written:,} lines), commit interval"
        f" {interval} s: written to visible p50 {middle:.0f} ms, p99 {high:.0f} ms, max"
        f" {1000 * max(items):.0f} ms in {len(items)} looks; {used:.2%} of a core"
    )


def week(log: Path, addresses: int, lines: int, begin: datetime, end: datetime) -> None:
    """A week's log with so many distinct addresses, a piece at a time."""
    rng = np.random.default_rng(1)
    hours = 7 * 24
    hour = (end - begin) / hours
    # Synthetic, between the private block 10/8 and the shared one 100.64/10.
    known = np.unique(rng.integers(11 << 24, 100 << 24, size=addresses * 2, dtype=np.int64))
    rng.shuffle(known)
    known = known[:addresses]
    drawn = np.concatenate((known, rng.choice(known, lines - len(known))))
    rng.shuffle(drawn)
    with log.open("w") as file:
        for number, part in enumerate(np.array_split(drawn, hours)):
            start = begin + number * hour
            step = hour / len(part)
            file.writelines(
                f"{(start + i * step).isoformat(timespec='milliseconds')[:-6]}Z\t"
                f"{a >> 24}.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}\tqvorm zqatal {a % 977}\n"
                for i, a in enumerate(part.tolist())
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=60, help="seconds to watch an idle daemon")
    parser.add_argument("--addresses", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=3_000_000)
    parser.add_argument("--seconds", type=float, default=120, help="of each rate")
    parser.add_argument("--rates", type=float, nargs="*", default=[10_000, 22], help="lines/s")
    options = parser.parse_args()
    for rate in options.rates:
        with tempfile.TemporaryDirectory() as name:
            under_load(Path(name), rate, options.seconds, 0.1)
    with tempfile.TemporaryDirectory() as name, daemon(Path(name)) as (process, url):
        log = Path(name) / "search.log"
        log.touch()
        time.sleep(3)
        result = latency(url, log, 20)
        print(
            f"written to visible: median {statistics.median(result):.2f} s, max {max(result):.2f} s"
        )
        if options.idle:
            time.sleep(3)
            before = cpu(process)
            time.sleep(options.idle)
            used = (cpu(process) - before) / options.idle
            print(f"idle: {used:.2%} of a core over {options.idle} s")
    if not options.addresses:
        return
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "search.log"
        end = datetime.now(UTC) - timedelta(minutes=5)
        week(log, options.addresses, options.lines, end - timedelta(days=7), end)
        with daemon(Path(name)) as (process, url):
            start = time.perf_counter()
            while queries(url) < options.lines:
                time.sleep(0.5)
            took = time.perf_counter() - start
            time.sleep(10)
            observed = peak(process)
            with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
                shown = re.findall(rb'window_addresses\{window="7d"\} (\S+)', answer.read())
        size = (Path(name) / "state" / "donkeywatch.db").stat().st_size / 2**20
        print(
            f"a week of {options.addresses:,} addresses, {options.lines:,} lines: peak RSS"
            f" {observed:.0f} MB, {options.lines / took:,.0f} lines/s, database {size:.0f} MB,"
            f" 7d window shows {[float(x) for x in shown]}"
        )


if __name__ == "__main__":
    main()
