"""What a simulated log truly holds: who lives where, and counts made with dictionaries alone."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

HOUR = 3_600_000
TOPICS = {
    "pedophile": ("explicit", "child_sex", "family_sex", "age_sex"),
    "pornographic": ("terms",),
}
OUTCOMES = ("query", "keywordless", "other", "bad_address", "bad_time", "malformed")

# Each country's zone and number of the 64 /14 networks of 10.0.0.0/8, so also its share of
# the searches. ZZ is in no country database.
ZONES = {
    "FR": ("Europe/Paris", 15), "ES": ("Europe/Madrid", 11), "IT": ("Europe/Rome", 8),
    "DE": ("Europe/Berlin", 5), "AR": ("America/Argentina/Buenos_Aires", 5),
    "BR": ("America/Sao_Paulo", 6), "PT": ("Europe/Lisbon", 3), "CN": ("Asia/Shanghai", 4),
    "US": ("America/New_York", 3), "ZZ": ("UTC", 4),
}  # fmt: skip
COUNTRIES = tuple(ZONES)

Query: TypeAlias = tuple[int, str, str, str | None, str | None]
"""Time (ms since 1970, UTC), address, country, category of topic pedophile and pornographic."""


class Truth:
    """Collects every query of a log, and counts any window of them by brute force."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.lines: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._hours: dict[int, list[Query]] = {}

    def add(self, queries: Iterable[Query], lines: Mapping[str, int]) -> None:
        """Take in queries, and the number of lines by outcome they came with."""
        for query in queries:
            self._hours.setdefault(query[0] // HOUR, []).append(query)
        self.lines.update(lines)

    def window(self, start_ms: int, end_ms: int) -> dict[str, Any]:
        """Count the queries with start <= time < end (ms since 1970, UTC)."""
        whole = [h for h in self._hours if start_ms < (h + 1) * HOUR and h * HOUR < end_ms]
        return _tally(q for h in whole for q in self._hours[h] if start_ms <= q[0] < end_ms)

    def hour(self, start_ms: int) -> dict[str, Any]:
        """Count the hour that begins at `start_ms` (ms since 1970, UTC)."""
        return self.window(start_ms, start_ms + HOUR)

    def week(self, name: str) -> dict[str, Any]:
        """Count an ISO week in UTC, named like `2026-W40`."""
        monday = datetime.strptime(f"{name}-1", "%G-W%V-%u").replace(tzinfo=UTC)
        start = int(monday.timestamp()) * 1000
        return self.window(start, start + 7 * 24 * HOUR)

    def as_json(self) -> dict[str, Any]:
        """Return the lines by outcome, and every hour and ISO week that has a query."""
        starts = {h: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in self._hours}
        weeks = sorted({moment.strftime("%G-W%V") for moment in starts.values()})
        return {
            "lines": dict(self.lines),
            "hours": {
                starts[h].strftime("%Y-%m-%dT%H:%M:%SZ"): _tally(self._hours[h])
                for h in sorted(starts)
            },
            "weeks": {name: self.week(name) for name in weeks},
        }

    def save(self, path: Path) -> None:
        """Write `as_json` to a file."""
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> dict[str, Any]:
        """Read a saved truth back as plain dictionaries."""
        loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return loaded


def _tally(queries: Iterable[Query]) -> dict[str, Any]:
    query_counts: Counter[str] = Counter()
    flagged: tuple[Counter[str], ...] = tuple(Counter() for _ in TOPICS)
    categories: tuple[Counter[str], ...] = tuple(Counter() for _ in TOPICS)
    exclusive = [0 for _ in TOPICS]
    home: dict[str, str] = {}
    for _, address, country, *flags in queries:
        query_counts[address] += 1
        home[address] = country
        for at, category in enumerate(flags):
            if category is not None:
                flagged[at][address] += 1
                categories[at][category] += 1
                exclusive[at] += all(other is None for other in (*flags[:at], *flags[at + 1 :]))
    return {
        "queries": query_counts.total(),
        "addresses": len(query_counts),
        "sum_qq": sum(q * q for q in query_counts.values()),
        "topics": {
            topic: {
                **_topic(query_counts, flagged[at]),
                "exclusive_queries": exclusive[at],
                "categories": {name: categories[at][name] for name in names},
            }
            for at, (topic, names) in enumerate(TOPICS.items())
        },
        "countries": _countries(query_counts, flagged, home),
    }


def _topic(queries: Counter[str], flagged: Counter[str]) -> dict[str, Any]:
    counts = flagged.values()
    return {
        "queries": sum(counts),
        **{f"addresses_{n}": sum(k >= n for k in counts) for n in (1, 2, 3)},
        "sum_qk": sum(queries[address] * k for address, k in flagged.items()),
        "sum_kk": sum(k * k for k in counts),
        **{f"top_{n}": sum(k for _, k in flagged.most_common(n)) for n in (1, 10)},
    }


def _countries(
    queries: Counter[str], flagged: tuple[Counter[str], ...], home: dict[str, str]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for country in sorted(set(home.values())):
        result[country] = {
            "queries": 0,
            "addresses": 0,
            "topics": {topic: {"queries": 0, "addresses": 0} for topic in TOPICS},
        }
    for address, count in queries.items():
        result[home[address]]["queries"] += count
        result[home[address]]["addresses"] += 1
    for topic, counts in zip(TOPICS, flagged, strict=True):
        for address, count in counts.items():
            result[home[address]]["topics"][topic]["queries"] += count
            result[home[address]]["topics"][topic]["addresses"] += 1
    return result


class Population:
    """The addresses by country, and how active each is in a week."""

    def __init__(self, seed: int, size: int) -> None:
        self._seed = seed
        # 27 is coprime to 64, so a country's networks lie scattered.
        owners = [code for code, (_, share) in ZONES.items() for _ in range(share)]
        self.blocks: dict[str, list[int]] = {code: [] for code in COUNTRIES}
        for at, code in enumerate(owners):
            self.blocks[code].append(at * 27 % 64)
        self.sizes = [max(1, size * share // 64) for _, share in ZONES.values()]
        self.starts = np.concatenate(([0], np.cumsum(self.sizes)))
        self.texts: npt.NDArray[np.object_] = np.array(
            [self._text(c, n) for c in range(len(COUNTRIES)) for n in range(self.sizes[c])],
            dtype=object,
        )
        self.active = lru_cache(maxsize=30)(self._active)

    def _text(self, country: int, n: int) -> str:
        if n % 33 == 5:
            return f"2001:db8:{0x100 + country:x}:{(n >> 14) + 1:x}::{(n & 0x3FFF) + 1:x}"
        blocks = self.blocks[COUNTRIES[country]]
        inside = (n // len(blocks) * 40503 + 257) % 262144
        value = blocks[n % len(blocks)] << 18 | inside
        return f"10.{value >> 16}.{value >> 8 & 255}.{value & 255}"

    def _active(self, country: int, week: int) -> npt.NDArray[np.float64]:
        """Return the cumulated activity of a country's addresses in a week, up to 1."""
        n = np.arange(self.sizes[country])
        rng = np.random.default_rng((self._seed, 1, week, country))
        here = rng.random(len(n)) < np.where(n % 5 == 0, 0.8, 0.35)
        here[rng.integers(len(n))] = True
        weights = np.cumsum(here / (n + 20.0))
        cumulated: npt.NDArray[np.float64] = weights / weights[-1]
        return cumulated

    def networks(self) -> dict[str, list[str]]:
        """Return the networks of every country that a country database knows."""
        return {
            code: [f"10.{block * 4}.0.0/14" for block in sorted(self.blocks[code])]
            + [f"2001:db8:{0x100 + at:x}::/48"]
            for at, code in enumerate(COUNTRIES)
            if code != "ZZ"
        }


def write_countries(path: Path, networks: Mapping[str, Sequence[str]], epoch: int) -> None:
    """Write a MaxMind database of networks by country, stamped `epoch` (seconds since 1970)."""
    import mmdb_writer  # Whoever simulates nothing starts faster without them.
    import netaddr

    writer = mmdb_writer.MMDBWriter(6, "Simulated-Country", ipv4_compatible=True)
    for country, parts in networks.items():
        writer.insert_network(netaddr.IPSet(parts), {"country": {"iso_code": country}})
    # The writer stamps the wall clock; the same simulation must give the same bytes.
    meta = {**writer._build_meta(), "build_epoch": epoch}
    writer._build_meta = lambda: meta  # type: ignore[method-assign]
    writer.to_db_file(str(path))
