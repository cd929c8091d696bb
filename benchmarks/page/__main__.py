"""What it takes to show three years: `/metrics`, the page's first answer, and the rest of the page;
and all hours of them at once.

`make bench-page` runs it; the figures depend on the machine. Loopback only.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from donkeywatch.counting.calendar import HOUR, WEEK, floor_to
from donkeywatch.counting.checkpoint_batch import Batch, HourCounts
from donkeywatch.counting.rolling_windows import ROLLING_LENGTHS
from donkeywatch.counting.window_aggregates import CountryAggregate, TopicAggregate, WindowAggregate
from donkeywatch.publish.engine_status import SourceStatus, Status
from donkeywatch.publish.http.app import create_app
from donkeywatch.publish.http.server import Server
from donkeywatch.settings.schema import Http, Settings, Source
from donkeywatch.store import window_tables
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.store import Store

TOPICS = ("pedophile", "pornographic")
CATEGORIES = ("explicit", "child_sex", "family_sex", "age")
SHARES: dict[str, float] = {
    "FR": 22,
    "ES": 17,
    "IT": 16,
    "BR": 11,
    "AR": 7,
    "DE": 5,
    "PL": 4,
    "PT": 3,
    "US": 3,
    "GB": 2,
}
OTHERS = "AT AU BE BG CA CH CL CN CO CZ DK FI GR HU IE IL JP KR MX NL NO PE RO RU SE TR UA UY VE ZZ"
SHARES |= dict.fromkeys(OTHERS.split(), 0.3)
HOURS = (0, 2, 5, 8, 12, 16, 18, 19, 22, 24)
QUERIES = np.interp(range(24), HOURS, (55e3, 35e3, 22e3, 33e3, 61e3, 74e3, 80e3, 81e3, 70e3, 55e3))
FLAGGED = np.interp(range(24), HOURS, (33, 44, 65, 42, 25, 29, 28, 27, 28, 33)) / 1e4
"""Queries an hour and flagged fraction, about as the study had them (hours 0 to 23, UTC)."""
ALL_HOURS = "/api/v1/hours?limit=30000"
BARS = {
    "/metrics": (50.0, None),
    "/": (200.0, 300.0),
    ALL_HOURS: (1000.0, None),
    f"{ALL_HOURS}&format=csv": (1000.0, None),
}
"""Median in ms and compressed size in KB that may not be passed."""


@dataclass
class Week:
    """What the hours of a week add up to."""

    queries: int = 0
    flagged: tuple[int, ...] = (0, 0)
    covered: bool = False


def hour_figures(rng: np.random.Generator, start: int, growth: float) -> WindowAggregate:
    """Random figures of one hour in the proportions of the study."""
    place = start // HOUR % 24
    queries = int(rng.normal(QUERIES[place], QUERIES[place] / 25))
    first = rng.negative_binomial(60, 60 / (60 + queries * FLAGGED[place] * growth))
    return figures(rng, queries, (int(first), int(rng.poisson(queries * 0.016))), each=2.5)


def figures(
    rng: np.random.Generator, queries: int, flagged: tuple[int, ...], each: float
) -> WindowAggregate:
    """Random figures; an address sends `each` queries in the mean."""
    addresses = int(queries / each)
    topics = tuple(
        TopicAggregate(k, (int(k * 0.72), int(k * 0.16), int(k * 0.06)), int(k * each * 3), k * 2)
        for k in flagged
    )
    total = sum(SHARES.values())
    countries = {
        code: CountryAggregate(
            int(queries * share / total),
            int(addresses * share / total),
            tuple((n := int(rng.poisson(k * share / total)), int(n * 0.72)) for k in flagged),
        )
        for code, share in SHARES.items()
    }
    return WindowAggregate(queries, addresses, int(queries * each * 3), topics, countries)


def fill(state: Path, now: int, hours: int, *, gaps: bool = True, seed: int = 1) -> None:
    """A database with so many hours before ``now`` (ms), two breaks, and gaps now and then."""
    rng = np.random.default_rng(seed)
    ensure_state_directory(state)
    store = Store(state, TOPICS)
    end = floor_to(now, HOUR)
    weeks: defaultdict[int, Week] = defaultdict(Week)
    with store.transaction() as db:
        for kind, at in (("lexicon", 0.62), ("countries", 0.97)):
            time_of = floor_to(end - int(hours * HOUR * (1 - at)), HOUR)
            db.execute(
                "insert into breaks (time, kind, digest) values (?, ?, 'ab')", (time_of, kind)
            )
        for i in range(hours):
            start = end - (hours - i) * HOUR
            if gaps and (hours - i in range(50, 57) or i % 2500 in range(900, 975)):
                continue
            result = hour_figures(rng, start, 0.5 + 0.6 * i / hours)
            spread = rng.multinomial(result.topics[0].queries, [0.3, 0.4, 0.1, 0.2])
            counts = HourCounts(
                result.queries,
                0,
                Counter({(TOPICS[0], c): int(n) for c, n in zip(CATEGORIES, spread, strict=True)}),
            )
            window_tables.add(db, Batch([], {start: counts}, Counter()), {start: 3600.0})
            window_tables.close(db, "hour", start, result, TOPICS)
            week = weeks[floor_to(start, WEEK)]
            week.queries += result.queries
            week.flagged = tuple(
                a + t.queries for a, t in zip(week.flagged, result.topics, strict=True)
            )
        part = (now - end) / 1000
        counts = HourCounts(int(part * 20), 0, Counter({(TOPICS[0], "child_sex"): int(part / 20)}))
        window_tables.add(db, Batch([], {end: counts}, Counter()), {end: part})
        for start, week in weeks.items():
            if start + WEEK <= end:
                whole = figures(rng, week.queries, week.flagged, each=5.5)
                window_tables.close(db, "week", start, whole, TOPICS)
        db.execute(
            "insert into counters values ('lines', 'main', 'query', ?)",
            (sum(week.queries for week in weeks.values()),),
        )
    day = QUERIES.sum()
    rolling = {"1h": QUERIES[end // HOUR % 24], "24h": day, "7d": 7 * day}
    shown = {}
    for (kind, queries), each in zip(rolling.items(), (2.5, 3.5, 5.5), strict=True):
        flagged = int(queries * 0.0029), int(queries * 0.016)
        shown[kind] = now - ROLLING_LENGTHS[kind], now, figures(rng, int(queries), flagged, each)
    store.replace_rolling(shown)
    store.close()


def served(state: Path, now: int) -> Server:
    """The application over a database, ready."""
    source = Source(path=Path("search.log"), format="tsv")
    settings = Settings(
        state=state, lexicon=Path("lexicon.toml"), source=(source,), http=Http(port=0)
    )
    log = SourceStatus("main", True, True, 0, 0, now - 2_000, None)
    topics = tuple((topic, CATEGORIES if i == 0 else ("any",)) for i, topic in enumerate(TOPICS))
    status = Status(sources=(log,), last_commit=now, lexicon="9f3c2a0d5b61e774", topics=topics)
    return Server(create_app(lambda: settings, lambda: status), settings.http)


def timed(url: str, path: str, runs: int) -> tuple[float, float, float]:
    """Median and worst time in ms, and the size of the compressed answer in KB."""
    took, size = [], 0
    for _ in range(runs):
        began = time.perf_counter()
        # A new connection each time, as the first answer of a page has it.
        with closing(HTTPConnection(url.removeprefix("http://"), timeout=60)) as connection:
            connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} for {path}")
            size = len(answer.read())
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took), max(took), size / 1024


def paths(now: int) -> Iterator[str]:
    """What a scrape and a page that is opened ask for."""
    yield from ("/metrics", "/", "/assets/page.js", "/assets/uPlot.esm.js", "/assets/page.css")
    yield "/api/v1/fractions"
    stamp = np.datetime_as_string(np.datetime64(floor_to(now, HOUR), "ms"), "s")
    week, weeks = np.timedelta64(7, "D"), np.timedelta64(56, "D")
    yield f"/api/v1/hours?from={np.datetime64(stamp) - week}Z"
    yield "/api/v1/weeks"
    yield f"/api/v1/profile?from={np.datetime64(stamp) - weeks}Z"
    yield "/api/v1/countries"
    yield from (ALL_HOURS, f"{ALL_HOURS}&format=csv")


def main() -> None:
    """Fill, ask, print."""
    request = argparse.ArgumentParser(description=__doc__)
    request.add_argument("--years", type=float, default=3.0)
    request.add_argument("--runs", type=int, default=30)
    given = request.parse_args()
    now = time.time_ns() // 1_000_000
    with tempfile.TemporaryDirectory(prefix="donkeywatch-") as directory:
        state = Path(directory)
        fill(state, now, round(given.years * 365.25 * 24))
        server = served(state, now)
        server.start()
        try:
            print(f"{'':48} {'median':>9} {'worst':>9} {'size':>9}")
            for path in paths(now):
                median, worst, size = timed(server.url, path, given.runs)
                most, largest = BARS.get(path, (None, None))
                missed = (most and median > most) or (largest and size > largest)
                bar = "" if path not in BARS else "  MISSED" if missed else "  held"
                print(f"{path:48} {median:6.1f} ms {worst:6.1f} ms {size:6.1f} KB{bar}")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
