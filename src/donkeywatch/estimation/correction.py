"""The query fraction corrected for what the detector misses and for what it flags wrongly."""

from __future__ import annotations

import math
from dataclasses import dataclass

from donkeywatch.estimation.intervals import Estimate, Z


@dataclass(frozen=True, slots=True)
class Rate:
    """An estimated probability, and how many independent trials its error is worth."""

    value: float
    effective_n: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How the detector does on one topic, as a labelled sample tells.

    ``sensitivity`` is the share of relevant queries that are flagged (recall), and
    ``false_positives`` the share of the others that are flagged, too.
    """

    sensitivity: Rate
    false_positives: Rate


def false_positive_rate(flagged: float, precision: float, sensitivity: float) -> float:
    """The share of irrelevant queries that are flagged, where the share ``flagged`` of all is.

    Follows from flagged = sensitivity * p + fpr * (1 - p) and p = flagged * precision /
    sensitivity, the share that is relevant. ValueError when that leaves nothing irrelevant.
    """
    relevant = flagged * precision / sensitivity if sensitivity > 0 else 1.0
    if relevant >= 1.0:
        raise ValueError("nothing is irrelevant")
    return flagged * (1 - precision) / (1 - relevant)


def rogan_gladen(observed: float, sensitivity: float, false_positives: float) -> float:
    """p = (x - fpr) / (tpr - fpr), clipped to [0, 1]; ValueError unless tpr > fpr.

    Rogan & Gladen 1978, Am. J. Epidemiol. 107, 71-76.
    """
    if sensitivity <= false_positives:
        raise ValueError("the detector is no better than chance")
    return _clipped((observed - false_positives) / (sensitivity - false_positives))


def lang_reiczigel(observed: Rate, accuracy: Accuracy) -> tuple[float, float]:
    """95 % interval of the Rogan-Gladen estimate, all three rates being estimated.

    Lang & Reiczigel 2014, Prev. Vet. Med. 113, 13-22: z^2 / 2 successes in z^2 trials are added
    to the observed rate and one in two to the others; the centre is then moved by
    dp = 2 z^2 (p tpr (1 - tpr) / n_tpr - (1 - p) fpr (1 - fpr) / n_fpr). Trials may be fractional,
    as effective sample sizes are. Where the rates with these additions are no better than
    chance, nothing is known: (0, 1).
    """
    x = _add_pseudo_counts(observed, Z * Z / 2, Z * Z)
    tpr, fpr = (
        _add_pseudo_counts(accuracy.sensitivity, 1, 2),
        _add_pseudo_counts(accuracy.false_positives, 1, 2),
    )
    youden_j = tpr.value - fpr.value
    if youden_j <= 0:
        return 0.0, 1.0
    p = (x.value - fpr.value) / youden_j
    missed, wrong = _variance(tpr), _variance(fpr)
    shifted = p + 2 * Z * Z * (p * missed - (1 - p) * wrong)
    half = Z / youden_j * math.sqrt(_variance(x) + p * p * missed + (1 - p) ** 2 * wrong)
    return _clipped(shifted - half), _clipped(shifted + half)


def corrected(observed: Estimate, queries: int, accuracy: Accuracy) -> Estimate | None:
    """The corrected query fraction of a window; None where the detector tells nothing.

    The observed fraction counts as so many trials as its design effect leaves of the queries.
    """
    tpr, fpr = accuracy.sensitivity.value, accuracy.false_positives.value
    if tpr <= fpr:
        return None
    value = rogan_gladen(observed.value, tpr, fpr)
    trials = queries / observed.design_effect
    lower, upper = lang_reiczigel(Rate(observed.value, trials), accuracy)
    return Estimate(value, min(lower, value), max(upper, value), observed.design_effect)


def _add_pseudo_counts(rate: Rate, successes: float, trials: float) -> Rate:
    both = rate.effective_n + trials
    return Rate((rate.value * rate.effective_n + successes) / both, both)


def _variance(rate: Rate) -> float:
    return rate.value * (1 - rate.value) / rate.effective_n


def _clipped(value: float) -> float:
    return min(max(value, 0.0), 1.0)
