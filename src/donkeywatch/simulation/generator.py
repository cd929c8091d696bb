"""A simulated server log: the study's daily and weekly shape, nonsense words, and exact truth."""

import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import BinaryIO, NamedTuple, TypeAlias, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from donkeywatch.simulation import log_formats
from donkeywatch.simulation.log_formats import Longs, PhraseStock
from donkeywatch.simulation.nonsense import lexicon
from donkeywatch.simulation.truth import (
    COUNTRIES,
    HOUR,
    ZONES,
    Population,
    Query,
    Truth,
    write_countries,
)

Floats: TypeAlias = npt.NDArray[np.float64]

# Queries and flagged fraction by local hour: the study's figures at 5, 12, 16 and 19 h,
# straight lines between them.
_AT = (0, 2, 5, 8, 12, 16, 18, 19, 22, 24)
_QUERIES = np.interp(range(24), _AT, (55e3, 35e3, 21851, 33e3, 61e3, 74e3, 80e3, 80518, 70e3, 55e3))
_FLAGGED = np.interp(
    range(24), _AT, (0.33, 0.44, 0.649, 0.42, 0.248, 0.293, 0.283, 0.275, 0.285, 0.33)
)
_CURVE: Floats = _QUERIES / _QUERIES.mean()
_FRACTION: Floats = _FLAGGED * _QUERIES.sum() / (_FLAGGED * _QUERIES).sum()
_DAYS = np.array((0.95, 0.94, 0.94, 0.95, 0.99, 1.09, 1.14))
_COMPARISON = 0.015
_REPEAT_FACTOR = 60.0

FIRST_OTHER_SERVER = 1 << 16
"""Of the numbers that queries are drawn by: smaller ones are those of one server, live or not."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What to simulate.

    `start` is aware (UTC); `queries` is about how many there are in all; `growth` is the
    fraction flagged in the first and in the last hour; `noise` is the number of extra entries
    that are no countable query, per query. `server` tells several apart that have the same
    addresses and words, but other queries.
    """

    seed: int = 1
    start: datetime
    hours: int
    queries: int
    addresses: int
    format: str = "tsv"
    growth: tuple[float, float] = (0.002, 0.0045)
    noise: float = 0.05
    terms: int = 300
    server: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if self.start.tzinfo is None:
            raise ValueError("start needs a time zone")
        if self.format not in log_formats.FORMATS:
            raise ValueError(f"format must be one of {', '.join(log_formats.FORMATS)}")
        if not len(COUNTRIES) <= self.addresses <= 16_000_000 or self.hours < 1:
            raise ValueError("needs an hour or more, and 10 to 16,000,000 addresses")

    @property
    def stream(self) -> int:
        """Make the generator of this server's queries; others draw by other numbers."""
        return FIRST_OTHER_SERVER + self.server if self.server else 0

    @property
    def start_ms(self) -> int:
        """The start in ms since 1970, UTC."""
        return round(self.start.timestamp() * 1000)


@dataclass(frozen=True)
class SimulatedBatch:
    """The lines of one simulated hour that begins at `start` (UTC), and what they truly are."""

    start: datetime
    data: bytes
    queries: list[Query]
    lines: dict[str, int]


class Entries(NamedTuple):
    """Log entries in order: ms of writing, text (a byte a character), outcomes, query if one."""

    times: list[int]
    texts: list[str]
    outcomes: list[dict[str, int] | None]
    queries: list[Query | None]


@lru_cache(maxsize=4)
def _population(seed: int, size: int) -> Population:
    return Population(seed, size)


@lru_cache(maxsize=4)
def _stock(seed: int, terms: int, name: str, size: int) -> PhraseStock:
    return PhraseStock(seed, lexicon(seed, terms), name, size)


def _local(start_ms: int) -> tuple[list[int], list[int]]:
    """Return each country's local hour of day and weekday (0 is Monday)."""
    moment = datetime.fromtimestamp(start_ms / 1000, UTC)
    local = [moment.astimezone(ZoneInfo(zone)) for zone, _ in ZONES.values()]
    return [m.hour for m in local], [m.weekday() for m in local]


def weights(start_ms: int) -> Floats:
    """Return each country's share of the mean hour's searches, in the hour at `start_ms`."""
    hours, days = _local(start_ms)
    shares = np.array([share / 64 for _, share in ZONES.values()])
    products: Floats = shares * _CURVE[hours] * _DAYS[days]
    return products


@lru_cache(maxsize=4)
def _schedule(sim: Simulation) -> Floats:
    shares = np.array([weights(sim.start_ms + h * HOUR) for h in range(sim.hours)])
    schedule: Floats = shares * (sim.queries / shares.sum())
    return schedule


class HourSampler:
    """Draws the entries of a span of time, from a generator of its own."""

    def __init__(self, sim: Simulation, key: tuple[int, ...]) -> None:
        self._sim = sim
        self._rng = np.random.default_rng(key)
        self._people = _population(sim.seed, sim.addresses)
        size = min(20_000, max(2_000, sim.queries // 4))
        self._stock = _stock(sim.seed, sim.terms, sim.format, size)

    def entries(self, start_ms: int, span: int, expected: Floats) -> Entries:
        """Draw what is written in `span` ms, `expected` searches in each country."""
        rng, stock = self._rng, self._stock
        country, person, times = self._sessions(start_ms, span, rng.poisson(expected))
        order = np.argsort(times, kind="stable")
        country, person, times = country[order], person[order], times[order]
        count = len(times)
        kind = self._draw_categories(start_ms, country, person)
        text = stock.starts[kind] + (stock.sizes[kind] * rng.random(count) ** 1.5).astype(int)
        more = rng.integers(len(stock.more), size=count)
        late = np.where(rng.random(count) < 0.004, rng.integers(1, 40, count), 0)
        stamped = np.maximum(times - late, self._sim.start_ms)
        addresses = self._people.texts[self._people.starts[country] + person]
        extra = stock.more[more]
        lines = log_formats.searches(
            self._sim.format,
            stamped,
            addresses.tolist(),
            (stock.heads[text] + extra + stock.tails[text]).tolist(),
            rng.integers(1000, size=count),
            (stock.lengths[text] + [len(word) for word in extra]).tolist(),
        )
        queries: list[Query | None] = list(
            zip(
                stamped.tolist(),
                addresses.tolist(),
                np.array(COUNTRIES, dtype=object)[country].tolist(),
                stock.pedophile[text].tolist(),
                stock.pornographic[text].tolist(),
                strict=True,
            )
        )
        return self._mixed(start_ms, span, Entries(times.tolist(), lines, [], queries))

    def _sessions(self, start_ms: int, span: int, counts: Longs) -> tuple[Longs, Longs, Longs]:
        """Return country, number within it, and time of searches, several by one in a burst."""
        rng, week = self._rng, (start_ms // (24 * HOUR) + 3) // 7
        total = int(counts.sum())
        country = np.repeat(np.arange(len(counts)), counts)
        lengths = rng.geometric(0.4, total)
        session = np.repeat(np.arange(total), lengths)[:total]
        # A session ends where its country does.
        fresh = np.diff(session, prepend=-1) | np.diff(country, prepend=-1)
        first = np.flatnonzero(fresh)
        session = np.cumsum(fresh != 0) - 1
        people = np.zeros(len(first), dtype=np.int64)
        homes, points = country[first], rng.random(len(first))
        for home in np.unique(homes).tolist():
            mine = homes == home
            people[mine] = np.searchsorted(self._people.active(home, week), points[mine], "right")
        clock = np.cumsum(rng.exponential(12_000, total))
        since = clock - clock[first][session] + (rng.random(len(first)) * span)[session]
        return country, people[session], start_ms + (since % span).astype(np.int64)

    def _draw_categories(self, start_ms: int, country: Longs, person: Longs) -> Longs:
        """Return 1 where a search is flagged, plus 2 where it holds a comparison term."""
        sim, rng = self._sim, self._rng
        passed = (start_ms - sim.start_ms) / max(1, (sim.hours - 1) * HOUR)
        level = sim.growth[0] + (sim.growth[1] - sim.growth[0]) * min(1.0, max(0.0, passed))
        # Few addresses make most flagged searches, unless that would take chances above 1.
        weight = np.where(
            person % 50 == 7, min(_REPEAT_FACTOR, max(1.0, 0.3 / max(level, 1e-9))), 1.0
        )
        hours, _ = _local(start_ms)
        chance = (
            level * _FRACTION[hours][country] * weight / (weight.sum() / max(1, len(weight)) or 1)
        )
        flagged = rng.random(len(country)) < chance
        kinds: Longs = flagged + 2 * (rng.random(len(country)) < _COMPARISON)
        return kinds

    def _mixed(self, start_ms: int, span: int, entries: Entries) -> Entries:
        """Add the lines that are no countable query."""
        rng, name = self._rng, self._sim.format
        count = len(entries.times)
        extra = int(rng.poisson(self._sim.noise * count))
        times = np.sort(rng.integers(span, size=extra)) + start_ms
        people = rng.integers(len(self._people.texts), size=extra)
        coin = Random(int(rng.integers(2**62)))
        noise = [
            log_formats.noise(name, time, address, coin.choice(self._stock.nouns), coin)
            for time, address in zip(times.tolist(), self._people.texts[people], strict=True)
        ]
        order = np.argsort(np.concatenate((entries.times, times)), kind="stable").tolist()
        texts = entries.texts + [text for text, _ in noise]
        outcomes: list[dict[str, int] | None] = [None] * count + [dict(n) for _, n in noise]
        queries = entries.queries + [None] * extra
        when = entries.times + times.tolist()
        return Entries(
            [when[i] for i in order],
            [texts[i] for i in order],
            [outcomes[i] for i in order],
            [queries[i] for i in order],
        )


def tally(sim: Simulation, queries: int, outcomes: list[dict[str, int] | None]) -> dict[str, int]:
    """Count the lines of some entries by outcome."""
    lines = Counter({"query": queries})
    if sim.format == "enode-go":
        lines["other"] = 2 * queries
    for outcome in outcomes:
        if outcome is not None:
            lines.update(outcome)
    return dict(lines)


def batch(sim: Simulation, hour: int) -> SimulatedBatch:
    """Return hour number `hour` of a simulation, whatever was drawn before."""
    start_ms = sim.start_ms + hour * HOUR
    entries = HourSampler(sim, (sim.seed, sim.stream, hour)).entries(
        start_ms, HOUR, _schedule(sim)[hour]
    )
    queries = [query for query in entries.queries if query is not None]
    data = "".join(entries.texts).encode("latin-1")
    lines = tally(sim, len(queries), entries.outcomes)
    return SimulatedBatch(datetime.fromtimestamp(start_ms / 1000, UTC), data, queries, lines)


def batches(sim: Simulation) -> Iterator[SimulatedBatch]:
    """Yield the hours of a simulation in order; the same parameters give the same bytes."""
    for hour in range(sim.hours):
        yield batch(sim, hour)


def write_references(sim: Simulation, directory: Path) -> None:
    """Write `lexicon.toml` (mode 0600) and `countries.mmdb` of a simulation."""
    words = directory / "lexicon.toml"
    words.touch(mode=0o600)
    words.chmod(0o600)
    words.write_text(lexicon(sim.seed, sim.terms).toml(), encoding="utf-8")
    networks = _population(sim.seed, sim.addresses).networks()
    write_countries(directory / "countries.mmdb", networks, sim.start_ms // 1000)


def write_archive(
    sim: Simulation,
    directory: Path,
    *,
    files: int = 1,
    compress: str | None = None,
    on_hour: Callable[[int], None] = lambda _hours: None,
) -> Truth:
    """Write a whole simulation to `search-01.log`, ... and its lexicon, countries and truth.

    `compress` may be "gz". Returns what `truth.json` holds. `on_hour` is called with the number of
    hours that are written.
    """
    if compress not in (None, "gz"):
        raise ValueError('compress must be "gz" or None')
    directory.mkdir(parents=True, exist_ok=True)
    truth = Truth()
    for at in range(files):
        name = f"search-{at + 1:02}.log" + (".gz" if compress else "")
        with ExitStack() as stack:
            out: BinaryIO = stack.enter_context((directory / name).open("wb"))
            if compress:
                # No name and no time in the header: the same bytes for the same simulation.
                zipped = gzip.GzipFile("", "wb", 6, fileobj=out, mtime=0)
                out = cast(BinaryIO, stack.enter_context(zipped))
            for hour in range(at * sim.hours // files, (at + 1) * sim.hours // files):
                done = batch(sim, hour)
                out.write(done.data)
                truth.add(done.queries, done.lines)
                on_hour(hour + 1)
    write_references(sim, directory)
    truth.save(directory / "truth.json")
    return truth
