"""Each statistic against its definition, another library, and simulation."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from donkeywatch.report.database_series import FloatArray
from donkeywatch.report.statistics import bootstrap, trend
from donkeywatch.report.statistics.autocorrelation import autocorrelation
from donkeywatch.report.statistics.change_points import change_points, remove_annual_cycle
from donkeywatch.report.statistics.comparison import differences, holm
from donkeywatch.report.statistics.daily_curve import extremes, highest_hour_set, lag

EXACT = 1e-9
LEVELS = (0.025, 0.975)


def walk(size: int, seed: int = 1) -> FloatArray:
    """A series that leans on its past."""
    rng = np.random.default_rng(seed)
    result = np.zeros(size)
    for at in range(1, size):
        result[at] = 0.6 * result[at - 1] + rng.normal()
    return result + 10


def oracle(name: str) -> Any:
    """A library that does the same."""
    return pytest.importorskip(name)


def test_autocorrelation_is_that_of_statsmodels() -> None:
    """r and both bands, to 1e-9; the flat ones of 147 weeks are those of the study."""
    acf = oracle("statsmodels.tsa.stattools").acf
    series = walk(147)
    result = autocorrelation(series, 60)
    assert result is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # newer versions will return an object
        message, ends = acf(series, nlags=60, adjusted=False, fft=False, alpha=0.05)
    assert result.r == pytest.approx(message, abs=EXACT)
    assert result.bartlett[1:] == pytest.approx((ends[:, 1] - message)[1:], abs=EXACT)
    assert result.flat95 == pytest.approx(0.1617, abs=5e-5)
    assert result.flat99 == pytest.approx(0.2125, abs=5e-5)
    assert result.pairs.tolist() == list(range(147, 86, -1))


def test_flat_bands_are_those_that_pandas_draws() -> None:
    """pandas' autocorrelation plot puts its lines where ours are."""
    plotting = oracle("pandas.plotting")
    pandas, figure = oracle("pandas"), oracle("matplotlib.figure").Figure()
    axes = plotting.autocorrelation_plot(pandas.Series(walk(147)), ax=figure.subplots())
    lines = {round(abs(float(line.get_ydata()[0])), 12) for line in axes.lines[:5]} - {0.0}
    result = autocorrelation(walk(147), 10)
    assert result is not None
    assert sorted(lines) == pytest.approx([result.flat95, result.flat99], abs=EXACT)


def test_autocorrelation_passes_over_gaps() -> None:
    """As statsmodels' conservative way: what is not known is in no pair."""
    acf = oracle("statsmodels.tsa.stattools").acf
    series = walk(120)
    series[[7, 30, 31, 32, 99]] = np.nan
    result = autocorrelation(series, 40)
    assert result is not None
    message = acf(series, nlags=40, adjusted=False, fft=False, missing="conservative")
    assert result.r == pytest.approx(message, abs=EXACT)
    known = ~np.isnan(series)
    assert result.pairs[5] == (known[:-5] & known[5:]).sum()


@pytest.mark.parametrize("series", [[], [1.0, 2.0], [3.0] * 40, [np.nan] * 40])
def test_what_does_not_vary_has_no_autocorrelation(series: list[float]) -> None:
    """None, rather than a division by zero."""
    assert autocorrelation(np.array(series, float), 10) is None


def test_sens_interval_holds_the_slope_in_95_per_cent_of_short_stretches() -> None:
    """Of 36 weeks, with the variance that the modified test takes for its own."""
    rng, times, slope = np.random.default_rng(1), np.arange(36.0), 0.0056
    hits = 0
    for _ in range(600):
        series = slope * times + rng.normal(0, 0.065, len(times))
        result = trend.sen_slope(series, times, trend.mann_kendall(series).variance)
        hits += result.lower <= slope <= result.upper
    assert 0.93 <= hits / 600 <= 0.97


def test_sen_slope_is_that_of_scipy() -> None:
    """Slope, interval and line, with the variance that scipy assumes."""
    stats = oracle("scipy.stats")
    for seed in range(8):
        series = np.round(walk(47, seed), 1)
        times = np.flatnonzero(np.random.default_rng(seed).random(80) < 0.7)[:47].astype(float)
        series = series[: len(times)]
        message = stats.theilslopes(series, times, 0.95)
        result = trend.sen_slope(series, times, trend.independent_variance(series))
        assert result.value == pytest.approx(message.slope, abs=EXACT)
        assert result.intercept == pytest.approx(message.intercept, abs=EXACT)
        assert (result.lower, result.upper) == pytest.approx(
            (message.low_slope, message.high_slope), abs=EXACT
        )


def test_the_variance_of_mann_kendall_counts_ties() -> None:
    """As pymannkendall's original test."""
    library = oracle("pymannkendall")
    series = np.round(walk(60), 0)
    assert trend.independent_variance(series) == pytest.approx(
        library.original_test(series).var_s, abs=EXACT
    )


def test_mann_kendall_is_not_fooled_by_dependence() -> None:
    """Series without a trend that lean on their past: the plain test errs more often."""
    library = oracle("pymannkendall")
    plain = modified = 0
    for seed in range(150):
        series = walk(110, seed)
        plain += library.original_test(series).p < 0.05
        modified += trend.mann_kendall(series).p < 0.05
    assert modified < 0.7 * plain
    assert trend.mann_kendall(walk(110) + 0.1 * np.arange(110)).p < 1e-6
    assert trend.mann_kendall(np.ones(20)).p == 1
    for series in (walk(110, seed) for seed in range(20)):
        message, items = library.hamed_rao_modification_test(series), trend.mann_kendall(series)
        assert items.score == message.s
        if message.var_s >= trend.independent_variance(series):
            assert items.variance == pytest.approx(message.var_s, rel=EXACT)
            assert items.p == pytest.approx(message.p, abs=EXACT)


def test_the_season_is_that_of_statsmodels_and_gaps_stay_gaps() -> None:
    """STL's parts add up to the series; below 104 weeks there are none."""
    module = oracle("statsmodels.tsa.seasonal")
    at = np.arange(150)
    series = walk(150) + np.cos(2 * np.pi * at / 52) + 0.01 * at
    result = trend.stl_decompose(series)
    assert result is not None
    message = module.STL(series, period=52, robust=True).fit()
    assert result.trend == pytest.approx(message.trend, abs=EXACT)
    assert result.season == pytest.approx(message.seasonal, abs=EXACT)
    series[[20, 21]] = np.nan
    result = trend.stl_decompose(series)
    assert result is not None
    assert np.flatnonzero(np.isnan(result.trend)).tolist() == [20, 21]
    total = result.trend + result.season + result.remainder
    assert np.nan_to_num(total) == pytest.approx(np.nan_to_num(series), abs=EXACT)
    assert trend.stl_decompose(series[:104]) is None


def test_logit_is_that_of_scipy() -> None:
    """And has no value where it is not finite."""
    special = oracle("scipy.special")
    p = np.linspace(0.001, 0.999, 99)
    assert trend.logit(p) == pytest.approx(special.logit(p), abs=EXACT)
    assert trend.expit(trend.logit(p)) == pytest.approx(p, abs=EXACT)
    assert np.isnan(trend.logit(np.array([0.0, 1.0, np.nan]))).all()


def test_growth_covers_what_was_planted() -> None:
    """93 % of the intervals or more hold the true ratio; too few weeks have none."""
    rng, inside = np.random.default_rng(3), 0
    mean: FloatArray = np.asarray(0.002 * 1.01 ** np.arange(60), np.float64)
    truth = mean[-12:].mean() / mean[:12].mean()
    for _ in range(400):
        result = trend.growth(mean * rng.lognormal(-0.005, 0.1, 60), 0.05 * mean)
        assert result is not None
        inside += result.lower <= truth <= result.upper
    assert 0.93 <= inside / 400 <= 0.995
    assert trend.growth(mean[:23], mean[:23]) is None
    assert trend.growth(np.zeros(30), np.zeros(30)) is None


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_that_of_statsmodels(p: list[float]) -> None:
    """Corrected p-values, ties included."""
    message = oracle("statsmodels.stats.multitest").multipletests(p, method="holm")[1]
    assert holm(p) == pytest.approx(message, abs=EXACT)


def test_changes_are_found_where_they_are() -> None:
    """Two new levels, each to within a week; none in noise, nor in what is too short."""
    rng = np.random.default_rng(5)
    series = np.concatenate((np.zeros(40), np.full(30, 1.5), np.full(50, 0.2)))
    result = change_points(series + rng.normal(0, 0.2, 120), 0.0)
    assert len(result) == 2
    assert abs(result[0] - 40) <= 1
    assert abs(result[1] - 70) <= 1
    alarms = sum(bool(change_points(rng.normal(0, 1, 120), 0.0)) for _ in range(20))
    assert alarms <= 3
    assert change_points(np.arange(5.0), 0.0) == change_points(np.ones(50), 0.0) == []
    assert change_points(series + rng.normal(0, 0.2, 120), 2.0) == [], (
        "less than its sampling error"
    )


def test_a_yearly_cycle_is_no_change_of_level() -> None:
    """Two years with a cycle and noise: without the cycle nothing changes, a step stays."""
    rng, weeks = np.random.default_rng(7), np.arange(110.0)
    cycle = np.cos(2 * np.pi * weeks / 52.18) + 0.01 * weeks
    alarms = 0
    for _ in range(20):
        series = cycle + rng.normal(0, 0.3, 110)
        assert change_points(series - 0.01 * weeks, 0.0)
        alarms += bool(change_points(remove_annual_cycle(series, weeks) - 0.01 * weeks, 0.0))
    assert alarms <= 3
    step = cycle + rng.normal(0, 0.1, 110) + (weeks >= 60)
    assert any(abs(at - 60) <= 2 for at in change_points(remove_annual_cycle(step, weeks), 0.0))


def test_the_bootstrap_has_the_variance_of_its_blocks() -> None:
    """Of whole blocks: sum of (block - mean)^2 over their number, times blocks drawn."""
    days = walk(70)
    sums = np.array([days[at : at + 7].sum() for at in range(64)])
    drawn = bootstrap.block_bootstrap(days[:, None], replicates=20_000)[:, 0]
    assert drawn.mean() == pytest.approx(10 * sums.mean(), rel=2e-3)
    assert drawn.var() == pytest.approx(10 * sums.var(), rel=0.05)
    assert len(bootstrap.block_bootstrap(days[:27, None])) == 0
    again = bootstrap.block_bootstrap(days[:, None])
    assert (again == bootstrap.block_bootstrap(days[:, None])).all()


@pytest.mark.parametrize("days", [84, 350])
def test_intervals_of_means_over_dependent_days_cover(days: int) -> None:
    """Days that lean on the day before: about 95 % hold the mean, where plain ones do not."""
    inside = plain = 0
    for seed in range(300):
        series = walk(days + 30, seed)[30:] - 10
        drawn = bootstrap.block_bootstrap(series[:, None], replicates=400)[:, 0] / days
        lower, upper = bootstrap.interval(drawn, bootstrap.interval_quantiles(days))
        inside += bool(lower <= 0 <= upper)
        plain += abs(series.mean()) <= 1.96 * series.std() / math.sqrt(days)
    assert 0.88 <= inside / 300 <= 0.98
    assert plain / 300 < 0.8


def noisy(seed: int, truth: FloatArray, error: float) -> tuple[FloatArray, FloatArray]:
    """A measured curve, and replicates around it."""
    rng = np.random.default_rng(seed)
    curve = truth + rng.normal(0, error, 24)
    return curve, curve + rng.normal(0, error, (300, 24))


def test_the_set_of_highest_hours_covers_the_highest() -> None:
    """Of close hours the truly highest is in the set in 95 %, and not all hours are."""
    truth = 10 + 0.3 * np.cos((np.arange(24) - 18) * np.pi / 12)
    held, sizes = 0, []
    for seed in range(200):
        result = highest_hour_set(*noisy(seed, truth, 0.1))
        held += 18 in result
        sizes.append(len(result))
    assert held / 200 >= 0.94
    assert np.mean(sizes) < 14
    exact = np.tile(truth, (10, 1))
    assert highest_hour_set(truth, exact) == (18,)


def test_the_ratio_of_extremes_covers() -> None:
    """At least 93 % of intervals hold the true ratio of the highest to the lowest hour."""
    truth = 10 + 4 * np.cos((np.arange(24) - 18) * np.pi / 12)
    inside = 0
    for seed in range(200):
        result = extremes(*noisy(seed, truth, 0.3), LEVELS)
        assert result is not None
        inside += result.lower <= 14 / 6 <= result.upper
    assert inside / 200 >= 0.93
    single = extremes(truth, np.empty((0, 24)), LEVELS)
    assert single is not None
    assert single.highest == ()
    assert math.isnan(single.lower)
    assert extremes(np.append(truth[:-1], np.nan), np.empty((0, 24)), LEVELS) is None


@pytest.mark.parametrize("zeros", [30, 300])
def test_a_lowest_hour_that_may_be_zero_leaves_the_ratio_open(zeros: int) -> None:
    """Upwards there is no bound, and nothing is divided by 0."""
    truth = 10 + 4 * np.cos((np.arange(24) - 18) * np.pi / 12)
    curve, drawn = noisy(1, truth, 0.3)
    drawn[:zeros, 6] = 0
    result = extremes(curve, drawn, LEVELS)
    assert result is not None
    assert result.upper == math.inf
    assert 1 <= result.lower < result.ratio


def test_a_lag_is_found_across_midnight() -> None:
    """One curve 3.5 hours before another, whichever is asked about first."""
    at = np.arange(24)
    early, late = (5 + np.cos((at - peak) * np.pi / 12) for peak in (22.5, 2.0))
    drawn = (np.tile(early, (3, 1)), np.tile(late, (3, 1)))
    result = lag((early, late), drawn, LEVELS)
    assert (result.value, result.lower, result.upper) == pytest.approx((-3.5,) * 3, abs=EXACT)
    back = lag((late, early), (drawn[1], drawn[0]), LEVELS)
    assert back.value == pytest.approx(3.5, abs=EXACT)


def test_differences_are_told_with_their_multiplicity() -> None:
    """A true one stays after correction, and a p-value is that of the normal distribution."""
    stats = oracle("scipy.stats")
    rng = np.random.default_rng(2)
    value = np.array([1.0, 0.1, 0.0])
    drawn = value + rng.normal(0, 0.2, (4000, 3))
    result = differences(value, drawn, LEVELS)
    assert result[0].p_holm < 1e-4
    assert result[1].p_holm > 0.5
    z = value[0] / drawn[:, 0].std(ddof=1)
    assert result[0].p == pytest.approx(2 * stats.norm.sf(z), rel=1e-6)
    assert result[0].lower < 1 < result[0].upper
    assert differences(value, drawn[:0], LEVELS) == []
