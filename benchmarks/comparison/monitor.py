"""The rows of donkeywatch: the whole durable job, into a state directory of its own."""

from __future__ import annotations

import os
import sqlite3
import sys
from functools import partial

from comparison.contender import Contender, Site
from comparison.figures import Counts, Figures
from donkeywatch.simulation.truth import TOPICS

OWN = os.path.abspath(os.environ.get("DONKEYWATCH_PYTHON", sys.executable))  # noqa: PTH100 - a link stays one
"""The interpreter of an environment without the rivals: what they bring along slows a start."""
HOURS = """
    select substr(utc, 1, 13), w.start, queries, addresses from windows w
    where kind = ? order by w.start
"""
FLAGGED = "select topic, queries, addresses_1 from window_topics where kind = ? and start = ?"


def rows() -> list[Contender]:
    """All of them; add one by its name, its log, its cores or its settings."""
    return [
        _row("donkeywatch"),
        _row("donkeywatch, pyahocorasick", extra='[ingest]\nmatcher = "pyahocorasick"\n'),
        _row("donkeywatch, one core", cores=1, extra="[ingest]\nworkers = 1\n"),
        _row("donkeywatch, enode-go", log="enode-go"),
        _row("donkeywatch, .gz", log="tsv.gz"),
    ]


def _row(name: str, *, log: str = "tsv", cores: int | None = None, extra: str = "") -> Contender:
    prepare = partial(_prepare, log=log, extra=extra)
    return Contender(name=name, prepare=prepare, read=hours, log=log, cores=cores)


def _prepare(site: Site, log: str, extra: str) -> list[str]:
    settings = site.place / "donkeywatch.toml"
    settings.write_text(
        f"""state = "state"
lexicon = "{site.input.lexicon.resolve()}"
countries = "{site.input.countries.resolve()}"
{extra}
[[source]]
path = "search.log"
format = "{log.removesuffix(".gz")}"
""",
        encoding="utf-8",
    )
    program = [OWN, "-m", "donkeywatch", "backfill", "-c", str(settings)]
    return [*program, str(site.input.log(log))]


def hours(site: Site) -> Figures:
    """What its database tells of the hours."""
    return _windows(site, "hour")


def weeks(site: Site) -> Figures:
    """What its database tells of the weeks, by the day they begin."""
    return {name[:10]: counts for name, counts in _windows(site, "week").items()}


def _windows(site: Site, kind: str) -> Figures:
    db = sqlite3.connect(site.place / "state" / "donkeywatch.db")
    try:
        result: Figures = {}
        for name, start, queries, addresses in db.execute(HOURS, (kind,)).fetchall():
            counts: Counts = {"queries": queries, "addresses": addresses}
            # A topic without a flagged query has no row.
            counts |= {key: 0 for topic in TOPICS for key in (topic, f"{topic}_addresses")}
            for topic, flagged, seekers in db.execute(FLAGGED, (kind, start)):
                counts |= {topic: flagged, f"{topic}_addresses": seekers}
            result[name] = counts
        return result
    finally:
        db.close()
