"""The figures of a window over all servers: each address once, however many it asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from donkeywatch.counting.calendar import SECOND, week_of
from donkeywatch.counting.observations import unpack_country
from donkeywatch.counting.window_aggregates import (
    THRESHOLDS,
    TOP_ADDRESSES,
    CountryAggregate,
    TopicAggregate,
    Window,
    WindowAggregate,
    empty_aggregate,
)
from donkeywatch.fleet.hour_commit_records import ServerHour
from donkeywatch.fleet.warehouse import Row, Warehouse, literal

OTHER_KEY = "its rows are under another key"
OTHER_LEXICON = "it has another word list"
NOT_SHIPPED = "it has shipped nothing"

TOPIC_COLUMNS = 4 + len(THRESHOLDS)
"""Columns of a topic in the answer of a shard."""


@dataclass(slots=True)
class Outside:
    """A server of which hours of a window are not in the union: why, and their queries."""

    reasons: set[str] = field(default_factory=set)
    hours: int = 0
    queries: int = 0


@dataclass(frozen=True, slots=True)
class Union:
    """A window (ms UTC) over the servers that are in it, and what is not in it.

    ``shared_addresses`` asked at more than one server. ``covered_seconds`` is the time for which
    the logs were followed, on average over all servers of the fleet.
    """

    window: Window
    topics: tuple[str, ...]
    figures: WindowAggregate
    servers: tuple[str, ...]
    outside: dict[str, Outside]
    shared_addresses: int
    covered_seconds: float

    @property
    def queries_outside(self) -> int:
        """Queries that are known and not in the union."""
        return sum(each.queries for each in self.outside.values())


def unite(
    warehouse: Warehouse,
    window: Window,
    records: Sequence[ServerHour],
    key_checks: Mapping[int, str],
    servers: Iterable[str],
) -> Union:
    """Count a window of whole hours from the newest records of its hours.

    All its rows are taken under the key of the week it begins in, which is the fleet's if its
    check is that in ``key_checks`` (by week, ms UTC). ``servers`` are those of the fleet.
    """
    members, outside = split(records, week_of(window.start), key_checks, servers)
    topics = tuple(dict.fromkeys(topic for record in members for topic in record.topics))
    total, shared = empty_aggregate(len(topics)), 0
    if members:
        query = _query(warehouse, window, members, topics)
        for rows in warehouse.rows_of_shards(query):
            part, shared_part = _aggregate(rows, len(topics))
            total, shared = total + part, shared + shared_part
    covered = sum(record.covered_seconds for record in members)
    return Union(
        window,
        topics,
        total,
        tuple(sorted({record.server for record in members})),
        outside,
        shared,
        covered / max(1, len({*servers, *(record.server for record in members)})),
    )


def split(
    records: Sequence[ServerHour],
    key_week: int,
    key_checks: Mapping[int, str],
    servers: Iterable[str],
) -> tuple[list[ServerHour], dict[str, Outside]]:
    """Split records into those whose rows can be united, and what is outside by server.

    Of an hour's word lists the one of most servers counts, then the one of most queries.
    """
    outside: dict[str, Outside] = defaultdict(Outside)
    by_hour: dict[int, list[ServerHour]] = defaultdict(list)
    for record in records:
        check = record.key_check if week_of(record.hour) == key_week else record.previous_check
        if check and check == key_checks.get(key_week):
            by_hour[record.hour].append(record)
        else:
            _leave_out(outside, record, OTHER_KEY)
    members = []
    for hour_records in by_hour.values():
        votes = Counter(record.lexicon for record in hour_records)
        queries: Counter[str] = Counter()
        for record in hour_records:
            queries[record.lexicon] += record.queries
        chosen = max(votes, key=lambda lexicon: (votes[lexicon], queries[lexicon], lexicon))
        for record in hour_records:
            if record.lexicon == chosen:
                members.append(record)
            else:
                _leave_out(outside, record, OTHER_LEXICON)
    for server in set(servers) - {record.server for record in records}:
        outside[server].reasons.add(NOT_SHIPPED)
    return members, dict(outside)


def _leave_out(outside: dict[str, Outside], record: ServerHour, reason: str) -> None:
    each = outside[record.server]
    each.reasons.add(reason)
    each.hours, each.queries = each.hours + 1, each.queries + record.queries


def _query(
    warehouse: Warehouse, window: Window, members: Sequence[ServerHour], topics: Sequence[str]
) -> str:
    """Ask a shard for its addresses by country, summed up: no pseudonym leaves it."""
    batches = literal([(m.server, m.hour // SECOND, m.batch) for m in members])
    flagged = [f"sum({_flagged(members, topic)}) as k{n}" for n, topic in enumerate(topics)]
    inner = ", ".join(
        ("max(country) as c", "sum(queries) as q", "uniqExact(server) as servers", *flagged)
    )
    outer = ["c", "count()", "sum(q)", "sum(q * q)", "countIf(servers > 1)"]
    for n in range(len(topics)):
        k = f"k{n}"
        top = f"arraySlice(arrayReverseSort(groupArrayIf({k}, {k} > 0)), 1, {TOP_ADDRESSES})"
        counts = [f"countIf({k} >= {least})" for least in THRESHOLDS]
        outer += [f"sum({k})", *counts, f"sum(q * {k})", f"sum({k} * {k})", top]
    return (
        f"select {', '.join(outer)} from (select {inner}"  # noqa: S608 - our own names, and quoted
        f" from {warehouse.local('pseudonym_rows')}"
        f" where key_week = {week_of(window.start) // SECOND}"
        f" and hour >= {window.start // SECOND} and hour < {window.end // SECOND}"
        f" and (server, hour, batch) in {batches} group by pseudonym) group by c"
    )


def _flagged(members: Sequence[ServerHour], topic: str) -> str:
    """Where the flagged queries of a topic stand in a row, which its batch's topics tell."""
    places = {record.topics.index(topic) + 1 if topic in record.topics else 0 for record in members}
    if len(places) == 1:
        return f"flagged[{places.pop()}]"
    cases = []
    for place in sorted(places - {0}):
        batches = literal([
            (m.server, m.hour // SECOND, m.batch)
            for m in members
            if topic in m.topics and m.topics.index(topic) + 1 == place
        ])  # fmt: skip
        cases.append(f"(server, hour, batch) in {batches}, flagged[{place}]")
    return f"multiIf({', '.join(cases)}, 0)"


def _aggregate(rows: Iterable[Row], topics: int) -> tuple[WindowAggregate, int]:
    """The figures of a shard, from a row a country, and its addresses at several servers."""
    total, shared = empty_aggregate(topics), 0
    for country, addresses, queries, sum_qq, at_several, *rest in rows:
        each = [rest[n : n + TOPIC_COLUMNS] for n in range(0, len(rest), TOPIC_COLUMNS)]
        parts = tuple(
            TopicAggregate(k, (least_1, least_2, least_3), qk, kk, tuple(top))
            for k, least_1, least_2, least_3, qk, kk, top in each
        )
        home = CountryAggregate(
            queries, addresses, tuple((part.queries, part.addresses[0]) for part in parts)
        )
        total += WindowAggregate(queries, addresses, sum_qq, parts, {unpack_country(country): home})
        shared += at_several
    return total, shared
