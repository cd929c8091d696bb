"""Three simulated years, fast: curves, growth, seasons and outages that are known by plan."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from donkeywatch.simulation.generator import Floats
from donkeywatch.simulation.log_formats import Longs, PhraseStock, phrase_text
from donkeywatch.simulation.nonsense import COMPARISON, NonsenseLexicon, PhraseGenerator, lexicon
from donkeywatch.simulation.truth import COUNTRIES, HOUR, ZONES, Population, write_countries

WEEK = 168
_AT = (0, 2, 5, 8, 12, 16, 18, 19, 22, 24)
_QUERIES = np.interp(range(24), _AT, (55e3, 35e3, 21851, 33e3, 61e3, 74e3, 80e3, 83e3, 70e3, 55e3))
_FLAGGED = np.interp(
    range(24), _AT, (0.33, 0.44, 0.649, 0.42, 0.248, 0.293, 0.283, 0.275, 0.285, 0.33)
)
_COMPARED = 0.015 * (1 + 0.25 * np.cos((np.arange(24) - 22) * np.pi / 12))
_DAYS = np.array((0.95, 0.94, 0.94, 0.95, 0.99, 1.09, 1.14))
_SEASON = 0.15
_LATER = {"AR": (-1, 2), "BR": (-1, 2)}
"""By how many hours a country's queries and its flagged fraction come later than elsewhere."""
_LENGTH = 2.5
_SEEKING = 0.5


@dataclass(frozen=True, kw_only=True)
class Years:
    """What to simulate: `queries` in `hours` from `start` (aware), about.

    `growth` is the fraction flagged in the first and the last hour by the later lexicon; of it
    the earlier one finds the share `found`, until hour `change`. `outages` are pairs of first
    hour and number of hours without a line; `halves` are hours whose second half is missing.
    """

    seed: int = 1
    start: datetime = datetime(2009, 6, 1, tzinfo=UTC)
    hours: int = 24_544
    queries: int = 30_000_000
    addresses: int = 200_000
    seekers: int = 600
    growth: tuple[float, float] = (0.002, 0.0045)
    change: int = 110 * WEEK
    recall: float = 0.75
    outages: tuple[tuple[int, int], ...] = ((1500, 20), (5003, 3), (9107, 1), (13000, 60))
    halves: tuple[int, ...] = (7321, 20007)

    @property
    def start_ms(self) -> int:
        """The start in ms since 1970, UTC."""
        return round(self.start.timestamp() * 1000)

    @cached_property
    def up(self) -> npt.NDArray[np.bool_]:
        """Tell which hours have all their lines."""
        up = np.ones(self.hours, bool)
        for first, count in self.outages:
            up[first : first + count] = False
        up[list(self.halves)] = False
        return up

    @cached_property
    def local(self) -> tuple[Longs, Longs, Longs]:
        """Ordinal of the local day, local hour and weekday, each of shape (countries, hours)."""
        hours = np.empty((3, len(COUNTRIES), self.hours), np.int64)
        for at, (zone, _) in enumerate(ZONES.values()):
            place = ZoneInfo(zone)
            for hour in range(self.hours):
                moment = (self.start + timedelta(hours=hour)).astimezone(place)
                hours[:, at, hour] = moment.toordinal(), moment.hour, moment.weekday()
        return hours[0], hours[1], hours[2]

    @cached_property
    def expected(self) -> Floats:
        """Expected queries, shape (countries, hours), as if there were no outage."""
        _, hour, day = self.local
        share = np.array([share for _, share in ZONES.values()])[:, None] / 64
        later = np.array([_LATER.get(name, (0, 0))[0] for name in COUNTRIES])[:, None]
        year = (np.arange(self.hours) + 24 * self.start.timetuple().tm_yday) / 8766
        season = 1 + _SEASON * np.cos(2 * np.pi * year)
        rate = share * _QUERIES[(hour - later) % 24] * _DAYS[day] * season
        scaled: Floats = rate * (self.queries / rate.sum())
        return scaled

    @cached_property
    def seeking(self) -> Floats:
        """Expected flagged fraction by the later lexicon, shape (countries, hours)."""
        _, hour, _ = self.local
        low, high = self.growth
        level = low * (high / low) ** (np.arange(self.hours) / max(1, self.hours - 1))
        later = np.array([_LATER.get(name, (0, 0))[1] for name in COUNTRIES])[:, None]
        shape = _FLAGGED * _QUERIES.sum() / (_FLAGGED * _QUERIES).sum()
        rate: Floats = level * shape[(hour - later) % 24]
        return rate

    @cached_property
    def flagged(self) -> Floats:
        """Expected flagged fraction by the lexicon in use, shape (countries, hours)."""
        detected = np.where(np.arange(self.hours) < self.change, self.recall, 1.0)
        rate: Floats = self.seeking * detected
        return rate

    @cached_property
    def compared(self) -> Floats:
        """Expected fraction of the comparison, shape (countries, hours)."""
        rate: Floats = _COMPARED[self.local[1]]
        return rate


class Drawn(NamedTuple):
    """Queries in order of time (ms since `start`), one item each.

    `country` and `person` say who; `flagged` by the lexicon in use, `kind` is the text's.
    """

    time: Longs
    country: Longs
    person: Longs
    flagged: npt.NDArray[np.bool_]
    compared: npt.NDArray[np.bool_]
    kind: Longs


class Week(NamedTuple):
    """Log lines of a week, and by hour of it queries, flagged ones and those of the comparison."""

    data: bytes
    queries: Longs
    flagged: Longs
    compared: Longs


def lexicons(years: Years) -> tuple[NonsenseLexicon, NonsenseLexicon]:
    """The earlier lexicon and the later one, which has more words in its first group."""
    later = lexicon(years.seed)
    words = later.groups["explicit"]
    groups = {**later.groups, "explicit": words[: len(words) // 2]}
    return replace(later, groups=groups), later


class _Texts:
    """Ends of lines by kind: plain, flagged, compared, both, then flagged by the later alone."""

    def __init__(self, years: Years) -> None:
        earlier, later = lexicons(years)
        stock = PhraseStock(years.seed, earlier, "tsv", 5_000)
        pairs = zip(stock.heads.tolist(), stock.tails.tolist(), strict=True)
        texts = [head + tail for head, tail in pairs]
        bounds = np.append(stock.starts, len(texts)).tolist()
        kinds = [texts[a:b] for a, b in pairwise(bounds)]
        words = later.groups["explicit"]
        only = replace(later, groups={**later.groups, "explicit": words[len(words) // 2 :]})
        draw, rng = PhraseGenerator(years.seed + 1, only), Random(years.seed)
        new = [p for p in (draw.flagged() for _ in range(2_000)) if p.pedophile == "explicit"]
        shown = [phrase_text(phrase, "tsv", rng) for phrase in new]
        kinds.append([text.head + text.tail for text in shown])
        kinds.append([f"{text.head} {rng.choice(COMPARISON)}{text.tail}" for text in shown])
        self.sizes = np.array([len(kind) for kind in kinds])
        self.starts = np.cumsum(self.sizes) - self.sizes
        ends = [f"\t{text}\n".encode("latin-1") for kind in kinds for text in kind]
        self.ends = np.array(ends, dtype=object)


@lru_cache(maxsize=1)
def _texts(years: Years) -> _Texts:
    return _Texts(years)


@lru_cache(maxsize=1)
def _people(years: Years) -> tuple[Population, npt.NDArray[np.object_]]:
    people = Population(years.seed, years.addresses)
    return people, np.array([b"\t" + text.encode() for text in people.texts], dtype=object)


def drawn(years: Years, number: int) -> Drawn:
    """Queries of one week, counted from the start, whatever was drawn before.

    An address seeks in sessions: how many of them a seeker has in a week follows a gamma
    distribution of its own, so that flagged queries are clustered by address. The expected
    counts are those of the plan.
    """
    rng = np.random.default_rng((years.seed, 7, number))
    hours = np.arange(number * WEEK, min((number + 1) * WEEK, years.hours))
    country, hour, seeks = _sessions(years, rng, number, hours)
    person = _persons(years, rng, number, country, seeks)
    lengths = rng.geometric(1 / _LENGTH, len(hour))
    session = np.repeat(np.arange(len(hour)), lengths)
    first = np.cumsum(lengths) - lengths
    clock = np.cumsum(rng.exponential(12_000, len(session)))
    since = clock - clock[first][session] + (rng.random(len(hour)) * HOUR)[session]
    time = hour[session] * HOUR + (since % HOUR).astype(np.int64)
    flagged = seeks[session] & (rng.random(len(session)) < _SEEKING)
    compared = rng.random(len(session)) < years.compared[country[session], hour[session]]
    hidden = flagged & (rng.random(len(session)) >= years.recall)
    kind = np.where(hidden, 4, flagged) + np.where(hidden, 1, 2) * compared
    detected = flagged & ~(hidden & (hour[session] < years.change))
    there = ~(np.isin(hour[session], years.halves) & (time % HOUR >= HOUR // 2))
    order = np.flatnonzero(there)
    order = order[np.argsort(time[order], kind="stable")]
    who = session[order]
    return Drawn(
        time[order], country[who], person[who], detected[order], compared[order], kind[order]
    )


def week(years: Years, number: int) -> Week:
    """The lines of one week."""
    draws = drawn(years, number)
    size = min(WEEK, years.hours - number * WEEK)
    hour = draws.time // HOUR - number * WEEK
    rng = np.random.default_rng((years.seed, 9, number))
    data = _lines(years, rng, draws.time, draws.person, draws.kind)
    counts = (np.bincount(hour[flags], minlength=size) for flags in (draws.flagged, draws.compared))
    return Week(data, np.bincount(hour, minlength=size), *counts)


def _sessions(
    years: Years, rng: np.random.Generator, number: int, hours: Longs
) -> tuple[Longs, Longs, npt.NDArray[np.bool_]]:
    """Country, hour and whether it seeks, of each session."""
    on = np.array([not any(a <= h < a + n for a, n in years.outages) for h in hours.tolist()])
    rate = years.expected[:, hours] * on / _LENGTH
    chance = years.seeking[:, hours] / _SEEKING
    level = np.array([_seekers(years, at, number).mean() for at in range(len(COUNTRIES))])
    sessions = []
    for seeks, expected in ((False, rate * (1 - chance)), (True, rate * chance * level[:, None])):
        counts = rng.poisson(expected)
        country, hour = np.nonzero(counts)
        times = counts[country, hour]
        sessions.append((np.repeat(country, times), np.repeat(hours[hour], times), seeks))
    return (
        np.concatenate([country for country, _, _ in sessions]),
        np.concatenate([hour for _, hour, _ in sessions]),
        np.concatenate([np.full(len(hour), seeks) for _, hour, seeks in sessions]),
    )


def _seekers(years: Years, country: int, number: int) -> Floats:
    """Activity of a country's seekers in a week; 1 is expected."""
    share = list(ZONES.values())[country][1] / 64
    rng = np.random.default_rng((years.seed, 8, number, country))
    return rng.gamma(0.5, 2.0, max(10, round(years.seekers * share)))


def _persons(
    years: Years, rng: np.random.Generator, number: int, country: Longs,
    seeks: npt.NDArray[np.bool_],
) -> Longs:  # fmt: skip
    """Who has each session: seekers by their activity, the others mostly those that ask a lot."""
    people, _ = _people(years)
    person = np.empty(len(country), np.int64)
    for at, size in enumerate(people.sizes):
        active = np.cumsum(_seekers(years, at, number))
        home = int(people.starts[at])
        mine = np.flatnonzero((country == at) & ~seeks)
        person[mine] = home + (size * rng.random(len(mine)) ** 2).astype(np.int64)
        mine = np.flatnonzero((country == at) & seeks)
        drawn = np.searchsorted(active, rng.random(len(mine)) * active[-1], "right")
        # Anyone may be a seeker: they are scattered over the country's addresses.
        person[mine] = home + (drawn * 7919 + number * 104729) % size
    return person


def _lines(
    years: Years, rng: np.random.Generator, time: Longs, person: Longs, kind: Longs
) -> bytes:
    texts, (_, names) = _texts(years), _people(years)
    text = texts.starts[kind] + (texts.sizes[kind] * rng.random(len(kind))).astype(np.int64)
    moment = time + years.start_ms
    stamps = [b"%d.%03d" % divmod(at, 1000) for at in moment.tolist()]
    parts = zip(stamps, names[person].tolist(), texts.ends[text].tolist(), strict=True)
    return b"".join(chain.from_iterable(parts))


def write(years: Years, directory: Path, weeks: int = 8) -> Iterator[tuple[Path, Sequence[Week]]]:
    """Write the log in files of some weeks each, and yield each file with what is in it.

    No file goes across the change of the lexicon. Also writes `earlier.toml`, `later.toml` and
    `countries.mmdb` first.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, words in zip(("earlier", "later"), lexicons(years), strict=True):
        path = directory / f"{name}.toml"
        path.touch(mode=0o600)
        path.write_text(words.toml(), encoding="utf-8")
    networks = _people(years)[0].networks()
    write_countries(directory / "countries.mmdb", networks, years.start_ms // 1000)
    last, edge = -(-years.hours // WEEK), years.change // WEEK
    starts = sorted({*range(0, last, weeks), *([edge] if 0 < edge < last else [])})
    for at, end in zip(starts, [*starts[1:], last], strict=True):
        path, findings = directory / f"search-{at:03}.log", []
        with path.open("wb") as out:
            for number in range(at, end):
                done = week(years, number)
                out.write(done.data)
                findings.append(done._replace(data=b""))
        yield path, findings


class Cell(NamedTuple):
    """What is expected in one local hour of one local day, counts by the plan."""

    queries: float
    flagged: float
    compared: float


def cells(
    years: Years, countries: Sequence[str] = COUNTRIES, span: tuple[int, int] | None = None
) -> dict[int, list[Cell]]:
    """Give what is expected by local hour of day: each day on which the hour is known in full.

    ``span`` limits the hours used. A local hour of a country is known when exactly one hour,
    and that one whole, falls into it; a day's hour counts when 95 % of the queries would be of
    countries where it is known.
    """
    first, last = span or (0, years.hours)
    usual = {name: years.expected[COUNTRIES.index(name), first:last].sum() for name in countries}
    members_by_zone: defaultdict[tuple[int, int], list[tuple[str, int]]] = defaultdict(list)
    for name in countries:
        at = COUNTRIES.index(name)
        days, hours = years.local[0][at].tolist(), years.local[1][at].tolist()
        for hour in range(first, last):
            members_by_zone[days[hour], hours[hour]].append((name, hour))
    by_hour: dict[int, list[Cell]] = {hour: [] for hour in range(24)}
    for (_, local), members in members_by_zone.items():
        names = [name for name, _ in members]
        usable = [(n, h) for n, h in members if names.count(n) == 1 and years.up[h]]
        if sum(usual[name] for name, _ in usable) < 0.95 * sum(usual.values()):
            continue
        places = [(COUNTRIES.index(name), hour) for name, hour in usable]
        q = [years.expected[place] for place in places]
        k = [years.expected[place] * years.flagged[place] for place in places]
        m = [years.expected[place] * years.compared[place] for place in places]
        by_hour[local].append(Cell(float(sum(q)), float(sum(k)), float(sum(m))))
    return by_hour
