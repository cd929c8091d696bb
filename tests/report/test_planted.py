"""What was planted is found again, and intervals hold what they should."""

from __future__ import annotations

import numpy as np
import pytest

from donkeywatch.counting.window_aggregates import TopicAggregate, WindowAggregate
from donkeywatch.estimation.intervals import query_fraction, wilson
from donkeywatch.report.analysis import Analysis
from donkeywatch.simulation.interval_checks import check_report, coverage_by_group, table
from donkeywatch.simulation.three_years import Years


def test_what_was_planted_is_found(analysis: Analysis, years: Years) -> None:
    """Curves, ratios, peaks, shift, weeks: 93 % of all intervals or more hold the truth."""
    done = check_report(years, analysis)
    assert len(done) > 350
    assert sum(item.inside for item in done) / len(done) >= 0.93, table(done)
    groups = coverage_by_group(done)
    assert {"weekly query fraction", "hours FR is later than AR+BR"} <= set(groups)
    for group, (of, inside) in groups.items():
        assert of < 20 or inside / of >= 0.79, (group, of, inside)


def test_a_plan_that_was_not_followed_is_noticed(analysis: Analysis, years: Years) -> None:
    """The same intervals do not hold the truth of other years."""
    other = Years(
        hours=years.hours, queries=years.queries, change=years.change, outages=years.outages,
        halves=years.halves, growth=(0.004, 0.004),
    )  # fmt: skip
    groups = coverage_by_group(check_report(other, analysis))
    of, inside = groups["weekly query fraction"]
    assert inside < of / 2


def window(
    rng: np.random.Generator, addresses: int, share: float, seeking: float
) -> WindowAggregate:
    """Queries of some addresses, few of which seek."""
    q = 1 + rng.negative_binomial(0.8, 0.8 / 4.8, addresses)
    k = rng.binomial(q, np.where(rng.random(addresses) < share, seeking, 0.0))
    topic = TopicAggregate(int(k.sum()), (int((k > 0).sum()), 0, 0), int(q @ k), int(k @ k))
    return WindowAggregate(int(q.sum()), addresses, int(q @ q), (topic,))


@pytest.mark.untraced
def test_two_thousand_windows_cover_from_none_flagged_to_many() -> None:
    """93-97 % of clustered intervals hold the truth, zero and tiny counts included."""
    rng = np.random.default_rng(20150101)
    inside, plain, many, zeros = 0, 0, 0, 0
    runs, seeking = 2000, 0.5
    by_share: dict[float, int] = {}
    for run in range(runs):
        share = (0.0008, 0.004, 0.02, 0.1)[run % 4]
        figures = window(rng, 3000, share, seeking)
        truth, k = share * seeking, figures.topics[0].queries
        result = query_fraction(figures, 0)
        assert result is not None
        held = result.lower <= truth <= result.upper
        by_share[share] = by_share.get(share, 0) + held
        inside += held
        lower, upper = wilson(k, figures.queries)
        plain += lower <= truth <= upper
        many += k > 100
        zeros += k == 0
    assert min(by_share.values()) / (runs / 4) >= 0.92, "no kind of window is far below"
    assert zeros > 20
    assert many > 500
    assert 0.93 <= inside / runs <= 0.97, inside / runs
    assert plain / runs < 0.75, plain / runs
