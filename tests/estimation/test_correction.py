"""The corrected fraction against its definition, another library and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from donkeywatch.counting.window_aggregates import TopicAggregate, WindowAggregate
from donkeywatch.estimation.correction import (
    Accuracy,
    Rate,
    corrected,
    false_positive_rate,
    lang_reiczigel,
    rogan_gladen,
)
from donkeywatch.estimation.intervals import Estimate, Z, query_fraction

KNOWN = 1e15
"""Trials that leave no doubt."""
shares = st.floats(0.0, 1.0)


def test_the_studys_tool() -> None:
    """Precision 98.5 % and recall 74 % raise the fraction to 1.331 times what was observed."""
    observed = 0.0025
    wrong = false_positive_rate(observed, 0.985, 0.74)
    factor = rogan_gladen(observed, 0.74, wrong) / observed
    assert factor == pytest.approx(0.985 / 0.74, rel=1e-12)
    assert round(factor, 3) == 1.331


@given(shares, st.floats(0.3, 1.0), st.floats(0.0, 0.2))
def test_the_correction_undoes_what_the_detector_does(p: float, tpr: float, fpr: float) -> None:
    """From the true share to the flagged share and back; and precision gives the rate back."""
    flagged = p * tpr + (1 - p) * fpr
    assert rogan_gladen(flagged, tpr, fpr) == pytest.approx(p, abs=1e-12)
    assume(flagged > 0 and p < 0.999)
    precision = p * tpr / flagged
    assert false_positive_rate(flagged, precision, tpr) == pytest.approx(fpr, abs=1e-12)


def test_what_cannot_be_corrected() -> None:
    """A detector no better than chance says nothing; a fraction stays one."""
    assert rogan_gladen(0.001, 0.9, 0.01) == 0.0
    assert rogan_gladen(0.95, 0.9, 0.01) == 1.0
    for tpr in (0.1, 0.05):
        with pytest.raises(ValueError, match="no better than chance"):
            rogan_gladen(0.2, tpr, 0.1)
        useless = Accuracy(Rate(tpr, 10), Rate(0.1, 10))
        assert corrected(Estimate(0.2, 0.1, 0.3), 100, useless) is None
    for flagged, precision, tpr in ((0.5, 1.0, 0.5), (0.5, 1.0, 0.0), (1.0, 1.0, 1.0)):
        with pytest.raises(ValueError, match="nothing is irrelevant"):
            false_positive_rate(flagged, precision, tpr)
    doubtful = Accuracy(Rate(0.2, 1), Rate(0.1, 1e-9))
    assert lang_reiczigel(Rate(0.15, 100), doubtful) == (0.0, 1.0)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_without_errors_it_is_the_interval_of_agresti_and_coull(pair: tuple[int, int]) -> None:
    """As in statsmodels, where the detector is known to be perfect."""
    k, n = pair
    result = lang_reiczigel(Rate(k / n, n), Accuracy(Rate(1, KNOWN), Rate(0, KNOWN)))
    assert result == pytest.approx(proportion_confint(k, n, method="agresti_coull"), abs=1e-9)


@given(st.integers(20, 5000), shares, st.floats(0.5, 0.99), st.floats(0.001, 0.2))
def test_known_errors_only_stretch_that_interval(n: int, x: float, tpr: float, fpr: float) -> None:
    """Each end goes through the Rogan-Gladen formula."""
    result = lang_reiczigel(Rate(x, n), Accuracy(Rate(tpr, KNOWN), Rate(fpr, KNOWN)))
    p = (x * n + Z * Z / 2) / (n + Z * Z)
    half = Z * math.sqrt(p * (1 - p) / (n + Z * Z))
    ends = [min(1.0, max(0.0, (end - fpr) / (tpr - fpr))) for end in (p - half, p + half)]
    assert result == pytest.approx(ends, abs=1e-7)


@given(st.integers(20, 5000), shares, st.integers(5, 500), shares, st.integers(5, 500), shares)
def test_the_formula_in_the_notation_of_its_authors(
    n: int, apparent: float, n_se: int, se: float, n_sp: int, sp: float
) -> None:
    """Sensitivity Se and specificity Sp, as Lang & Reiczigel write it."""
    assume(se + sp > 1.05)
    n1, n2, n3 = n + Z**2, n_se + 2, n_sp + 2
    p1, se1, sp1 = (n * apparent + Z**2 / 2) / n1, (n_se * se + 1) / n2, (n_sp * sp + 1) / n3
    assume(se1 + sp1 > 1.0001)
    j = se1 + sp1 - 1
    prev = (p1 + sp1 - 1) / j
    dp = 2 * Z**2 * (prev * se1 * (1 - se1) / n2 - (1 - prev) * sp1 * (1 - sp1) / n3)
    of_se, of_sp = prev**2 * se1 * (1 - se1) / n2, (1 - prev) ** 2 * sp1 * (1 - sp1) / n3
    half = Z * math.sqrt((p1 * (1 - p1) / n1 + of_se + of_sp) / j**2)
    ends = [min(1.0, max(0.0, prev + dp + sign * half)) for sign in (-1, 1)]
    accuracy = Accuracy(Rate(se, n_se), Rate(1 - sp, n_sp))
    assert lang_reiczigel(Rate(apparent, n), accuracy) == pytest.approx(ends, abs=1e-9)


@given(shares, st.floats(0.3, 1.0), st.floats(0.0, 0.2), st.floats(1.0, 50.0))
def test_the_estimate_lies_in_its_interval(x: float, tpr: float, fpr: float, deff: float) -> None:
    """Whatever was added to the rates on the way."""
    accuracy = Accuracy(Rate(tpr, 30), Rate(fpr, 500))
    result = corrected(Estimate(x, x, x, deff), 3000, accuracy)
    assert result is not None
    assert 0 <= result.lower <= result.value <= result.upper <= 1
    assert result.design_effect == deff


SITUATIONS = [
    (0.05, 0.8, 0.99, 1000, 100, 1000),
    (0.2, 0.74, 0.98, 500, 150, 300),
    (0.5, 0.9, 0.9, 200, 60, 60),
    (0.01, 0.74, 0.999, 20_000, 200, 5_000),
    (0.0033, 0.74, 0.99996, 500_000, 200, 400_000),
]
"""True share, sensitivity, specificity; sizes of the window and of the two samples."""


@pytest.mark.parametrize("case", SITUATIONS)
def test_95_percent_covers_95_percent(case: tuple[float, float, float, int, int, int]) -> None:
    """All three rates drawn anew; an interval that takes the detector for known covers less."""
    p, se, sp, n, n_se, n_sp = case
    rng = np.random.default_rng(20261123)
    runs, inside, plain = 2500, 0, 0
    flagged = rng.binomial(n, p * se + (1 - p) * (1 - sp), runs)
    hits, wrong = rng.binomial(n_se, se, runs), rng.binomial(n_sp, 1 - sp, runs)
    for x, tpr, fpr in zip(flagged / n, hits / n_se, wrong / n_sp, strict=True):
        lower, upper = lang_reiczigel(Rate(x, n), Accuracy(Rate(tpr, n_se), Rate(fpr, n_sp)))
        inside += lower <= p <= upper
        known = Accuracy(Rate(tpr, KNOWN), Rate(fpr, KNOWN))
        lower, upper = lang_reiczigel(Rate(x, n), known)
        plain += lower <= p <= upper
    assert 0.93 <= inside / runs <= 0.985
    assert plain < inside
    if case == SITUATIONS[-1]:
        assert plain / runs < 0.9, "the samples are too large to prove anything"


def test_it_covers_where_queries_are_clustered() -> None:
    """The design effect of the window goes in: 93-98 % of the intervals hold the true share."""
    rng = np.random.default_rng(7)
    runs, size, inside, unclustered = 1000, 3000, 0, 0
    share, seeking, se, fpr = 0.03, 0.4, 0.74, 0.0005
    truth = share * seeking
    for _ in range(runs):
        q = 1 + rng.negative_binomial(0.8, 0.8 / 4.8, size)
        relevant = rng.binomial(q, np.where(rng.random(size) < share, seeking, 0.0))
        k = rng.binomial(relevant, se) + rng.binomial(q - relevant, fpr)
        topic = TopicAggregate(int(k.sum()), (int((k > 0).sum()), 0, 0), int(q @ k), int(k @ k))
        observed = query_fraction(WindowAggregate(int(q.sum()), size, int(q @ q), (topic,)), 0)
        assert observed is not None
        accuracy = Accuracy(
            Rate(rng.binomial(300, se) / 300, 300), Rate(rng.binomial(9000, fpr) / 9000, 9000)
        )
        result = corrected(observed, int(q.sum()), accuracy)
        plain = corrected(Estimate(observed.value, 0, 1), int(q.sum()), accuracy)
        assert result is not None
        assert plain is not None
        inside += result.lower <= truth <= result.upper
        unclustered += plain.lower <= truth <= plain.upper
    assert 0.93 <= inside / runs <= 0.98
    assert unclustered / runs < 0.9
