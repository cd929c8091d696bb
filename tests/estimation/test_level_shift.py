"""The change of level: how often it is seen where there is none, and how soon where there is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from donkeywatch.estimation.level_shift import (
    ALLOWANCE,
    MAX_RESIDUAL,
    MIN_REFERENCE,
    THRESHOLD,
    Point,
    Score,
    level_shifts,
    logit_point,
)

WEEKS, SERIES = 156, 200
DOUBLING = math.log(2)
GROWTH = math.log(0.0045 / 0.002) / 147
"""The study's: from under 0.2 % to 0.45 % in 147 weeks."""
EFFECT = 1.7
STUDY, SCALED = 8_700_000, 205_000
"""Queries a week: the study's, and a fortieth of them."""


def series(
    seed: int,
    queries: int,
    *,
    growth: float = 0.0,
    cycle: float = 0.0,
    noise: float = 0.0,
    memory: float = 0.0,
    weeks: int = WEEKS,
    shift: float = 0.0,
) -> list[Point]:
    """Weeks of clustered counts around 0.2 %, from the 100th of which on the level is shifted.

    ``noise`` is the standard deviation of a week beyond sampling, ``memory`` its correlation
    with the week before, ``cycle`` the amplitude of the year, all of the logit.
    """
    rng = np.random.default_rng((7, seed))
    time = np.arange(weeks)
    drawn = rng.normal(size=weeks)
    for i in range(1, weeks):
        drawn[i] = memory * drawn[i - 1] + math.sqrt(1 - memory**2) * drawn[i]
    logit = math.log(0.002 / 0.998) + growth * time + noise * drawn + shift * (time >= 100)
    logit += cycle * np.sin(2 * np.pi * (time / 52 + rng.random()))
    flagged = np.round(EFFECT * rng.poisson(queries / (1 + np.exp(-logit)) / EFFECT))
    effects = EFFECT * np.exp(rng.normal(0, 0.1, weeks))
    items = [
        logit_point(i, int(k), queries, float(effect))
        for i, (k, effect) in enumerate(zip(flagged, effects, strict=True))
    ]
    assert None not in items
    return [p for p in items if p is not None]


def scattered(values: list[float]) -> list[Point]:
    """Weeks with these logits and next to no sampling error."""
    return [Point(i, value, 1e-6) for i, value in enumerate(values)]


def calm(weeks: int, level: float = -6.0) -> list[float]:
    """Logits that go up and down by a tenth."""
    return [level + 0.1 * (-1) ** i for i in range(weeks)]


def last(values: list[float]) -> Score:
    """The statistics after the last of some weeks."""
    return level_shifts(scattered(values))[-1]


def test_the_logit_of_a_week_and_its_variance() -> None:
    """Half a query on either side; the variance is that of the delta method times deff."""
    result = logit_point(3, 20, 10_000, 2.0)
    assert result is not None
    assert result.logit == math.log(20.5 / 9980.5)
    assert result.variance == 2 * (1 / 20.5 + 1 / 9980.5)
    assert result.week == 3


def test_a_week_without_flagged_queries_has_a_logit_too() -> None:
    """Zero of many is a point, zero of zero is none."""
    result = logit_point(0, 0, 1_000, 1.0)
    assert result is not None
    assert math.isfinite(result.logit)
    assert logit_point(0, 0, 0, 1.0) is None


def test_nothing_is_said_before_there_are_eight_weeks() -> None:
    """The first eight weeks have no residual and score 0, whatever happens in them."""
    scores = level_shifts(scattered([*calm(4), *calm(4, level=0.0), -6.0]))
    assert [score.residual is None for score in scores] == [True] * MIN_REFERENCE + [False]
    assert all((score.up, score.down) == (0.0, 0.0) for score in scores[:MIN_REFERENCE])


def test_the_sums_are_those_of_page() -> None:
    """Each statistic is the one before plus the residual's excess, never below 0."""
    scores = level_shifts(series(1, SCALED, noise=0.1))
    up = down = 0.0
    for score in scores:
        if score.residual is not None:
            up = max(0.0, up + score.residual - ALLOWANCE)
            down = max(0.0, down - score.residual - ALLOWANCE)
        assert (score.up, score.down) == (up / THRESHOLD, down / THRESHOLD)
        if score.alarm:
            break


def test_the_residual_is_that_of_a_regression() -> None:
    """The forecast and its error equal those of weighted least squares, by matrices."""
    weeks = series(2, SCALED, noise=0.15)[: MIN_REFERENCE + 1]
    *past, now = weeks
    design = np.array([[1.0, p.week] for p in past])
    logits = np.array([p.logit for p in past])
    variances = np.array([p.variance + 0.05**2 for p in past])
    inverse = np.linalg.inv(design.T @ (design / variances[:, None]))
    result = inverse @ design.T @ (logits / variances)
    dispersion = float(((logits - design @ result) ** 2 / variances).sum()) / (MIN_REFERENCE - 2)
    assert dispersion > 1
    ahead = np.array([1.0, now.week])
    error = math.sqrt(dispersion * (now.variance + 0.05**2 + float(ahead @ inverse @ ahead)))
    t = (now.logit - float(ahead @ result)) / error
    freedom = MIN_REFERENCE - 2
    z = math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    residual = level_shifts(weeks)[-1].residual
    assert residual is not None
    assert residual == pytest.approx(math.copysign(z, t), rel=1e-9)


def test_residuals_are_standardised() -> None:
    """Where weeks vary by much more than by chance, residuals have mean 0 and deviation 1."""
    match = [
        score.residual
        for seed in range(60)
        for score in level_shifts(series(seed, STUDY, noise=0.3))
        if score.residual is not None
    ]
    assert abs(float(np.mean(match))) < 0.05
    assert 0.95 < float(np.std(match)) < 1.05


def test_one_odd_week_is_no_change_of_level() -> None:
    """Ten times the usual in one week raises the score, but alone is no alarm."""
    scores = level_shifts(scattered([*calm(20), -6.0 + math.log(10), *calm(20)]))
    assert not any(score.alarm for score in scores)
    assert scores[20].residual == MAX_RESIDUAL
    assert scores[20].up > 0.5


@pytest.mark.parametrize("change", [DOUBLING, -DOUBLING])
def test_the_side_of_a_change_is_told(change: float) -> None:
    """A higher level raises `up` over 1 and a lower one `down`, never both."""
    scores = level_shifts(scattered([*calm(20), *calm(3, level=-6.0 + change)]))
    (alarm,) = [score for score in scores if score.alarm]
    assert (alarm.up > 1, alarm.down > 1) == (change > 0, change < 0)
    assert alarm.week >= 20


def test_after_an_alarm_the_new_level_is_the_reference() -> None:
    """The sums begin again, and the level that stays is no second alarm."""
    scores = level_shifts(scattered([*calm(20), *calm(60, level=-5.0)]))
    assert sum(score.alarm for score in scores) == 1
    assert max(scores[-1].up, scores[-1].down) < 0.5


def test_weeks_may_be_missing() -> None:
    """Left-out weeks are no zeros: growth goes on where it would have been."""
    grown = [Point(i, -6 + 0.02 * i, 1e-6) for i in range(60) if i not in range(30, 36)]
    assert all(abs(score.residual or 0) < 1e-6 for score in level_shifts(grown))


def test_nothing_is_no_score() -> None:
    """No week, no score; and the last of a quiet series is far from an alarm."""
    assert level_shifts([]) == []
    assert max(last(calm(50)).up, last(calm(50)).down) < 0.5


QUIET = {
    "the study's size, sampling alone": {"queries": STUDY},
    "a small server": {"queries": 10_000},
    "the study's growth": {"queries": STUDY, "growth": GROWTH},
    "scaled, with growth": {"queries": SCALED, "growth": GROWTH},
    "growth, cycle and noise": {
        "queries": SCALED, "growth": GROWTH, "cycle": 0.1, "noise": 0.05,
    },
    "a strong cycle": {"queries": STUDY, "cycle": 0.15, "noise": 0.05},
    "weeks with a memory": {"queries": STUDY, "growth": GROWTH, "noise": 0.05, "memory": 0.7},
}  # fmt: skip


@pytest.mark.untraced
@pytest.mark.parametrize("name", QUIET)
def test_false_alarms_are_rare(name: str) -> None:
    """In 200 series of three years without a change: at most one alarm in two years."""
    alarms = weeks = 0
    for seed in range(SERIES):
        scores = level_shifts(series(seed, **QUIET[name]))  # type: ignore[arg-type]
        alarms += sum(score.alarm for score in scores)
        weeks += len(scores)
    assert weeks == SERIES * WEEKS
    assert alarms / weeks * 104 <= 1


@pytest.mark.untraced
@pytest.mark.parametrize("change", [DOUBLING, -DOUBLING])
@pytest.mark.parametrize("name", ["scaled, with growth", "growth, cycle and noise"])
def test_a_doubling_is_found_within_four_weeks(name: str, change: float) -> None:
    """In 95 of 100 series at the least, after two years of growth; a halving as well."""
    result = 0
    for seed in range(SERIES):
        weeks = series(seed, **QUIET[name], weeks=104, shift=change)  # type: ignore[arg-type]
        after = level_shifts(weeks)[100:]
        result += any((score.up if change > 0 else score.down) > 1 for score in after)
    assert result / SERIES >= 0.95
