"""Where the figures of a report come from: version, date, span, gaps, lexicon, countries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from donkeywatch import __version__
from donkeywatch.counting.calendar import iso_utc
from donkeywatch.report.database_series import Database, Instrument, Windows
from donkeywatch.report.hour_exclusion import COVERED
from donkeywatch.settings.schema import Settings

AUTHORS = "The donkeywatch contributors"
"""As in CITATION.cff."""
THE_STUDY = "Fournier and Latapy (2015), Int. J. of Internet Science 10(1), 8-19"


@dataclass(frozen=True, slots=True)
class Gap:
    """Consecutive hours that were not followed in full; times in ms UTC, the end exclusive."""

    start: int
    end: int
    hours: int
    followed_hours: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a reader has to know to cite a report; it follows from the database alone.

    ``date`` is a day (ISO). ``start`` and ``end`` (ms UTC) bound the ``hours`` there might be, of
    which ``followed_hours`` were followed.
    """

    version: str
    date: str
    start: int
    end: int
    hours: int
    followed_hours: float
    gaps: tuple[Gap, ...]
    lexicon: Instrument
    countries: Instrument
    normalisation: Instrument

    def cite(self, topic: str) -> str:
        """One line that names this report, for a list of references."""
        lexicon = f", lexicon {self.lexicon.digest}" if self.lexicon.digest else ""
        return (
            f"{AUTHORS} ({self.date[:4]}). donkeywatch (version {self.version}) [software]. Report"
            f" of {self.date} on the topic {topic}, {iso_utc(self.start)} to {iso_utc(self.end)}"
            f"{lexicon}."
        )


def trace(database: Database, hours: Windows, date: str | None = None) -> Provenance:
    """Read where the figures of some hours come from; there is one hour at the least."""
    end = int(hours.start[-1]) + hours.length
    lexicon, countries, normalisation = (
        database.instrument(kind, end) for kind in ("lexicon", "countries", "normalisation")
    )
    return Provenance(
        __version__, date or iso_utc(database.last_commit())[:10], int(hours.start[0]), end,
        len(hours), float(hours.coverage.sum()), find_gaps(hours), lexicon, countries,
        normalisation,
    )  # fmt: skip


def find_gaps(hours: Windows) -> tuple[Gap, ...]:
    """Runs of hours that were followed for less than 95 %, oldest first."""
    missing = ~hours.stored | (hours.coverage < COVERED)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False]))))
    return tuple(
        Gap(
            int(hours.start[first]), int(hours.start[last - 1]) + hours.length, last - first,
            float(hours.coverage[first:last].sum()),
        )
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    )  # fmt: skip


def figure_settings(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The daemon's settings that decide what is in the figures, by name; no path, no pattern."""
    sources = sorted({f"{source.format} ({source.query_syntax})" for source in settings.source})
    title = (("title", settings.title),) if settings.title else ()
    return (
        *title,
        ("time.lateness", f"{settings.time.lateness:g} s"),
        ("time.future", f"{settings.time.future:g} s"),
        ("time.max_gap", f"{settings.time.max_gap:g} s"),
        ("format (query syntax)", ", ".join(sources)),
    )
