"""The logs that every contender reads: written in blocks, quickly, with their truth beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip

from comparison.stock import FORMATS, Bools, Longs, Stock
from comparison.tally import Tally
from donkeywatch.simulation.log_formats import Objects, stamps
from donkeywatch.simulation.nonsense import lexicon
from donkeywatch.simulation.truth import COUNTRIES, HOUR, TOPICS, write_countries

START = datetime(2026, 10, 5, tzinfo=UTC)
"""A Monday, so that the first week is whole."""
TERMS = 600
FRESH = 0.6
"""Share of lines whose address was not there before."""
RECENT = 400_000
"""An address that comes again is one of so many that came last."""
SEEKERS = 512
"""One address in so many sends half of the flagged queries."""
KINDS = (0.004, 0.0035, 0.004, 0.0005)
"""Shares: nearly flagged, flagged as pedophile, as pornographic, as both; the rest is ordinary."""
BACK, STEP = 0.01, 40
"""Share of lines stamped earlier than the one before, and by how many ms less than."""
BLOCK = 100_000
FIRST = [n for n in range(1, 224) if n not in (10, 100, 127, 169, 172, 192, 198, 203)][:128]
"""First bytes of addresses; what is reserved for any use is left out."""
LEADS = {"tsv": "Z\t", "enode-go": "Z\tDEBUG\t[module=tcp] tcp payload parsed remote="}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to generate: `hourly` is lines an hour, `stock` the number of ordinary searches."""

    lines: int
    seed: int = 1
    hourly: int = 277_000
    stock: int = 60_000

    @property
    def name(self) -> str:
        """Of the directory it is kept in."""
        return f"{self.lines}-lines-seed-{self.seed}"


@dataclass(frozen=True)
class Input:
    """What was generated, in a directory."""

    directory: Path

    def log(self, name: str) -> Path:
        """The log in a format: `tsv`, `enode-go` or `tsv.gz`."""
        return self.directory / f"search.{name}"

    @property
    def lexicon(self) -> Path:
        """The words, mode 0600."""
        return self.directory / "lexicon.toml"

    @property
    def countries(self) -> Path:
        """The country database."""
        return self.directory / "countries.mmdb"

    @property
    def finished(self) -> bool:
        """Was it written to its end? The truth comes last."""
        return (self.directory / "truth.json").exists()

    def truth(self) -> dict[str, Any]:
        """Hours and weeks by name, and what the lines are like."""
        document: dict[str, Any] = json.loads((self.directory / "truth.json").read_text("utf-8"))
        return document


class Draw:
    """Draws the lines of a plan block by block."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rng = np.random.default_rng((plan.seed, plan.lines))
        self._stock = Stock(plan.seed, lexicon(plan.seed, TERMS), plan.stock)
        self._clock = START.timestamp() * 1000
        self._fresh = 0
        self.tally = Tally(int(plan.lines * FRESH * 1.02) + 1000)
        self.wide = 0
        rows = [(high, low) for high in FIRST for low in range(256)]
        self._highs = {
            name: np.array([f"{lead}{high}.{low}." for high, low in rows], dtype=object)
            for name, lead in LEADS.items()
        }
        self._lows: Objects = np.array([f"{n >> 8}.{n & 255}" for n in range(1 << 16)], object)

    def blocks(self, formats: Sequence[str]) -> Iterator[dict[str, bytes]]:
        """Whole lines by format, the same searches in each, counted as they are drawn."""
        for at in range(0, self._plan.lines, BLOCK):
            yield self._block(min(BLOCK, self._plan.lines - at), formats)
        self.tally.close()

    @property
    def distinct(self) -> int:
        """Addresses so far."""
        return self._fresh

    def _block(self, count: int, formats: Sequence[str]) -> dict[str, bytes]:
        rng, stock = self._rng, self._stock
        times = self._times(count)
        kind = np.searchsorted(1 - np.cumsum(KINDS[::-1])[::-1], rng.random(count), "right")
        text = stock.starts[kind] + (stock.sizes[kind] * rng.random(count) ** 1.5).astype(np.int64)
        more = stock.more[rng.integers(len(stock.more), size=count)]
        serials = self._serials(kind >= 2)
        self.tally.add(times, serials, {topic: stock.flagged[topic][text] for topic in TOPICS})
        self.wide += int(np.count_nonzero(stock.wide[text]))
        numbers = scattered(serials, self._plan.seed)
        when, low = stamps(times), self._lows[numbers & 0xFFFF]
        return {
            name: _joined(
                when, self._highs[name][numbers >> 16], low,
                stock.heads[name][text], more, stock.tails[name][text],
            )
            for name in formats
        }  # fmt: skip

    def _times(self, count: int) -> Longs:
        rng = self._rng
        clock = self._clock + np.cumsum(rng.exponential(HOUR / self._plan.hourly, count))
        self._clock = float(clock[-1])
        back = np.where(rng.random(count) < BACK, rng.integers(1, STEP, count), 0)
        start = round(START.timestamp() * 1000)
        times: Longs = np.maximum(clock.astype(np.int64) - back, start)
        return times

    def _serials(self, flagged: Bools) -> Longs:
        """Number of each line's address in the order of first appearance."""
        rng, count = self._rng, len(flagged)
        fresh = rng.random(count) < FRESH
        fresh[0] |= not self._fresh
        newest = self._fresh - 1 + np.cumsum(fresh)
        self._fresh = int(newest[-1]) + 1
        known = np.minimum(RECENT, newest + 1)
        before = newest - (known * rng.random(count) ** 3).astype(np.int64)
        seeker = newest - newest % SEEKERS
        before = np.where(flagged, seeker, before)
        serials: Longs = np.where(fresh, newest, before)
        return serials


def _joined(*columns: Objects) -> bytes:
    pieces = np.empty((len(columns[0]), len(columns)), dtype=object)
    for at, column in enumerate(columns):
        pieces[:, at] = column
    return "".join(pieces.ravel().tolist()).encode("latin-1")


def scattered(serials: Longs, seed: int) -> Longs:
    """A permutation of the numbers below 2^31: addresses look random and are never the same."""
    whole = (1 << 31) - 1
    number = (serials * 0x2C1B3C6D + seed * 0x297A2D39) & whole
    number = ((number ^ (number >> 16)) * 0x1B56C4E9) & whole
    result: Longs = number ^ (number >> 15)
    return result


def generate(plan: Plan, directory: Path, formats: Sequence[str]) -> Input:
    """Write the logs of a plan (`tsv`, `enode-go`, `tsv.gz`), truth, lexicon and countries."""
    directory.mkdir(parents=True, exist_ok=True)
    made, draw = Input(directory), Draw(plan)
    zipper: Any = igzip.IGzipFile
    with ExitStack() as stack:
        plain = {n: stack.enter_context(made.log(n).open("wb")) for n in formats if n in FORMATS}
        zipped: list[Any] = [
            # gzip itself would leave a tenth less, and take longer than all the rest.
            stack.enter_context(zipper(made.log(n), "wb", 2))
            for n in formats
            if n == "tsv.gz"
        ]
        needed = {name.removesuffix(".gz") for name in formats}
        for block in draw.blocks(sorted(needed)):
            for name, file in plain.items():
                file.write(block[name])
            for out in zipped:
                out.write(block["tsv"])
    _write_references(plan, made)
    message = {
        "lines": plan.lines,
        "wide": draw.wide / plan.lines,
        "distinct": draw.distinct / plan.lines,
        "hours": draw.tally.hours,
        "weeks": draw.tally.weeks,
    }
    (directory / "truth.json").write_text(json.dumps(message, indent=1) + "\n", "utf-8")
    return made


def _write_references(plan: Plan, made: Input) -> None:
    made.lexicon.touch(mode=0o600)
    made.lexicon.chmod(0o600)
    made.lexicon.write_text(lexicon(plan.seed, TERMS).toml(), encoding="utf-8")
    networks: dict[str, list[str]] = {}
    known = len(COUNTRIES) - 1  # the last one is in no country database
    for high in FIRST:
        for low in range(0, 256, 4):
            country = COUNTRIES[(high * 7 + low * 5 + low // 16) % known]
            networks.setdefault(country, []).append(f"{high}.{low}.0.0/14")
    write_countries(made.countries, networks, round(START.timestamp()))
