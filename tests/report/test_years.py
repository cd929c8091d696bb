"""Simulated years as a log: counted by the real backfill, exactly, with break and outages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from donkeywatch.counting.calendar import HOUR
from donkeywatch.report.analysis import Options, analyse_database
from donkeywatch.report.database_series import Break
from donkeywatch.simulation.three_years import WEEK, Years, drawn, lexicons

PROOF = Path(__file__).resolve().parents[2] / "benchmarks" / "years_report" / "__main__.py"
TWO_WEEKS = Years(
    hours=2 * WEEK,
    queries=50_000,
    addresses=3_000,
    growth=(0.02, 0.05),
    change=WEEK,
    outages=((50, 20), (200, 1)),
    halves=(100,),
)


def proof() -> ModuleType:
    """The benchmark `years_report` as a module."""
    spec = importlib.util.spec_from_file_location("years_proof", PROOF)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.untraced
def test_a_simulated_log_is_counted_exactly(tmp_path: Path) -> None:
    """Every hour's queries and flags are those that were written, under either lexicon."""
    made = proof()
    weeks = made.counted(TWO_WEEKS, tmp_path)
    database = tmp_path / "state" / "donkeywatch.db"
    assert made.exact(TWO_WEEKS, weeks, database)
    assert not made.exact(TWO_WEEKS, weeks[::-1], database)
    assert not list(tmp_path.glob("*.log"))
    analysis = analyse_database(database, Options())
    assert analysis.keep[: TWO_WEEKS.hours].tolist() == TWO_WEEKS.up.tolist()
    assert analysis.breaks == (Break(TWO_WEEKS.start_ms + WEEK * HOUR, "lexicon"),)


def test_what_is_drawn_is_what_is_planned() -> None:
    """Queries, flags of both lexicons and the comparison are within chance of the plan."""
    weeks = [drawn(TWO_WEEKS, number) for number in range(2)]
    there = np.zeros(TWO_WEEKS.hours)
    there[TWO_WEEKS.up] = 1
    there[list(TWO_WEEKS.halves)] = 0.5
    expected = TWO_WEEKS.expected * there
    for number, week in enumerate(weeks):
        span = slice(number * WEEK, (number + 1) * WEEK)
        assert len(week.time) == pytest.approx(expected[:, span].sum(), rel=0.03)
        flagged = (expected * TWO_WEEKS.flagged)[:, span].sum()
        assert week.flagged.sum() == pytest.approx(flagged, rel=0.25)
        assert week.compared.sum() == pytest.approx(
            (expected * TWO_WEEKS.compared)[:, span].sum(), rel=0.2
        )
        assert (np.diff(week.time) >= 0).all()
    assert (drawn(TWO_WEEKS, 1).time == weeks[1].time).all()


def test_the_later_lexicon_has_all_of_the_earlier_one() -> None:
    """And more: a change that raises the level."""
    earlier, later = (set(result.groups["explicit"]) for result in lexicons(TWO_WEEKS))
    assert earlier < later
