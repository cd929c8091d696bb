"""Does a database agree with itself? Every hour, every week, every counter."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from donkeywatch.counting.calendar import HOUR, iso_utc
from donkeywatch.counting.window_aggregates import Window, empty_aggregate
from donkeywatch.store import partitioned_reads, segments

MAX_LISTED = 5
"""Windows that are named when a check fails; the others are counted."""

CHECKS = {
    "addresses <= queries in every window": """
        select kind, start from windows where closed and addresses > queries""",
    "flagged addresses <= flagged queries <= queries": """
        select t.kind, t.start from window_topics t join windows w using (kind, start)
        where w.closed and (addresses_1 > t.queries or t.queries > w.queries)""",
    "flagged addresses <= addresses": """
        select t.kind, t.start from window_topics t join windows w using (kind, start)
        where w.closed and addresses_1 > addresses""",
    "fewer addresses with more flagged queries": """
        select kind, start from window_topics
        where addresses_3 > addresses_2 or addresses_2 > addresses_1""",
    "queries of one topic alone <= its queries": """
        select t.kind, t.start from window_topics t join windows w using (kind, start)
        where w.closed and exclusive_queries > t.queries""",
    "queries of the first address <= of the first ten <= of all": """
        select kind, start from window_topics
        where top_1 > top_10 or top_10 > queries or (addresses_1 <= 10 and top_10 < queries)""",
    "categories add up to their topic": """
        select kind, start from (
          select t.kind, t.start, t.queries, coalesce(sum(c.queries), 0) as parts
          from window_topics t join windows w using (kind, start)
          left join window_categories c using (kind, start, topic)
          where w.closed and t.kind in ('hour', 'week') group by t.kind, t.start, t.topic)
        where parts != queries""",
    "countries add up to their window": """
        select kind, start from (
          select w.kind, w.start, w.queries, coalesce(sum(c.queries), 0) as parts
          from windows w left join window_countries c using (kind, start)
          where w.closed and w.kind in ('hour', 'week') group by w.kind, w.start)
        where parts != queries""",
    "countries add up to their topic": """
        select kind, start from (
          select t.kind, t.start, t.queries, coalesce(sum(c.queries), 0) as parts
          from window_topics t join windows w using (kind, start)
          left join window_country_topics c using (kind, start, topic)
          where w.closed and t.kind in ('hour', 'week') group by t.kind, t.start, t.topic)
        where parts != queries""",
    "hours add up to their week": """
        select 'week', start from (
          select w.start, w.queries, sum(h.queries) as parts
          from windows w join windows h on h.kind = 'hour' and h.start >= w.start
          and h.start < w.until where w.kind = 'week'
          and w.start >= (select min(start) from windows where kind = 'hour') group by w.start)
        where parts != queries""",
    "queries of one topic alone add up to their week": """
        select 'week', start from (
          select t.start, t.exclusive_queries, coalesce(sum(h.exclusive_queries), 0) as parts
          from window_topics t join windows w using (kind, start)
          left join window_topics h on h.kind = 'hour' and h.topic = t.topic
          and h.start >= w.start and h.start < w.until
          where t.kind = 'week' and t.exclusive_queries is not null
          and w.start >= (select min(start) from windows where kind = 'hour')
          group by t.start, t.topic)
        where parts != exclusive_queries""",
    "coverage no longer than its window": """
        select kind, start from windows where covered_seconds > (until - start) / 1000.0 + 0.001""",
}
"""What must give no row, by what it says."""


def audit(db: sqlite3.Connection, topics: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Every check and what is wrong, or None; to be called inside one read transaction.

    ``topics`` are those of the loaded lexicon.
    """
    pages = [row[0] for row in db.execute("pragma integrity_check(3)")]
    yield "the file is whole", None if pages == ["ok"] else "; ".join(pages)
    for name, query in CHECKS.items():
        yield name, _describe(db.execute(query).fetchall())
    yield "every query is in an hour", _all_queries(db)
    yield "per-address rows give the closed hours", _describe(_inconsistent_hours(db, topics))
    yield "every older pseudonym belongs to a row", _orphaned_previous_pseudonyms(db)


def _describe(counts: Sequence[tuple[str, int]]) -> str | None:
    if not counts:
        return None
    names = ", ".join(f"{kind} {iso_utc(start)}" for kind, start in counts[:MAX_LISTED])
    more = len(counts) - MAX_LISTED
    return names + (f" and {more} more" if more > 0 else "")


def _all_queries(db: sqlite3.Connection) -> str | None:
    """The totals and the hours agree, where no hour has been forgotten."""
    counted = db.execute(
        "select coalesce(sum(value), 0) from counters where name = 'lines' and detail = 'query'"
    ).fetchone()[0]
    held = db.execute(
        "select coalesce(sum(queries), 0) from windows where kind = 'hour'"
    ).fetchone()[0]
    pruned = db.execute("select 1 from settings where name = 'pruned:hour'").fetchone()
    if counted == held or (pruned and held < counted):
        return None
    return f"{counted:,} counted, {held:,} in the hours"


def _inconsistent_hours(db: sqlite3.Connection, topics: Sequence[str]) -> list[tuple[str, int]]:
    """Closed hours whose stored figures are not those of their rows."""
    wrong = []
    for (start,) in db.execute("select distinct hour from segments order by hour").fetchall():
        window = db.execute(
            "select queries, addresses, sum_qq from windows"
            " where kind = 'hour' and start = ? and closed",
            (start,),
        ).fetchone()
        if window is None:
            continue
        figures = sum(
            (
                partitioned_reads.aggregate_partition(
                    db, [Window(start, start + HOUR)], part, topics
                )[0]
                for part in range(segments.PARTITIONS)
            ),
            empty_aggregate(len(topics)),
        )
        stored = {
            topic: tuple(rest)
            for topic, *rest in db.execute(
                "select topic, queries, addresses_1, addresses_2, addresses_3, top_1, top_10"
                " from window_topics where kind = 'hour' and start = ?",
                (start,),
            )
        }
        same = all(
            _matches(
                stored[name], (topic.queries, *topic.addresses, topic.of_top(1), topic.of_top(10))
            )
            for name, topic in zip(topics, figures.topics, strict=True)
            if name in stored
        )
        if window != (figures.queries, figures.addresses, figures.sum_qq) or not same:
            wrong.append(("hour", start))
    return wrong


def _matches(stored: tuple[int | None, ...], recounted: tuple[int, ...]) -> bool:
    """Equal, but for what an older version did not count."""
    return all(value in (None, other) for value, other in zip(stored, recounted, strict=True))


def _orphaned_previous_pseudonyms(db: sqlite3.Connection) -> str | None:
    row = db.execute(
        "select count(*) from previous_pseudonyms where segment not in (select id from segments)"
    ).fetchone()[0]
    return f"{row} belong to none" if row else None
