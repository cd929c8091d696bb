"""Precision and recall of a sample whose truth is known, and what a correction takes from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from donkeywatch.errors import SourceError
from donkeywatch.estimation.correction import corrected, rogan_gladen
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.evaluation.evaluate import Confusion, Evaluation, ScoredQuery, evaluate, score
from donkeywatch.evaluation.labels import LabelledQuery
from donkeywatch.ingest import lexicon_file
from donkeywatch.ingest.detector import Detector
from donkeywatch.simulation import nonsense

PATH = Path("labels.csv")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """A detector of a nonsense lexicon."""
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.toml"
    path.touch(0o600)
    path.write_text(nonsense.lexicon(5).toml(), "utf-8")
    return Detector(lexicon_file.load(path))


def drawn(seed: int = 5) -> nonsense.PhraseGenerator:
    """Searches whose truth holds by construction."""
    return nonsense.PhraseGenerator(seed, nonsense.lexicon(5))


def sampled(
    flagged: bool, relevant: bool, count: int, stratum: str, weight: float = 1.0,
    category: str = "explicit", language: str = "fr",
) -> Iterator[ScoredQuery]:  # fmt: skip
    """Rows that are alike."""
    first = ScoredQuery(
        relevant, category if flagged else None, language, stratum, weight, stratum == "recall"
    )
    return iter([first] * count)


def stratified(tp: int, fp: int, fn: int, tn: int, high: float, low: float) -> list[ScoredQuery]:
    """A flagged sample and an unflagged one with their weights."""
    return [
        *sampled(True, True, tp, "flagged", high), *sampled(True, False, fp, "flagged", high),
        *sampled(False, True, fn, "unflagged", low), *sampled(False, False, tn, "unflagged", low),
    ]  # fmt: skip


def test_the_detector_finds_what_the_sample_holds(detector: Detector) -> None:
    """Known hits, false alarms, misses and the rest: exactly the known precision and recall."""
    phrases = drawn()
    plan = (("flagged", True, 197), ("flagged", False, 3), ("near_miss", True, 66),
            ("near_miss", False, 54), ("ordinary", False, 80))  # fmt: skip
    rows: list[LabelledQuery] = []
    for kind, relevant, count in plan:
        for number in range(count):
            phrase = getattr(phrases, kind)()
            while kind != "ordinary" and (phrase.pedophile is not None) != (kind == "flagged"):
                phrase = getattr(phrases, kind)()
            topics = frozenset({"pedophile"} if relevant else ())
            language = ("fr", "pt")[number % 2]
            rows.append(
                LabelledQuery(len(rows) + 2, phrase.text(), topics, language, "flagged", 1.0)
            )
    judged = score(PATH, rows, detector, "plain")
    assert set(judged) == {"pedophile"}, "no label names the other topic"
    result = evaluate("pedophile", judged["pedophile"])
    assert result.whole.confusion == Confusion(197, 3, 66, 134)
    assert result.whole.precision is not None
    assert result.whole.recall is not None
    assert result.whole.precision.value == pytest.approx(197 / 200, rel=1e-12)
    assert result.whole.recall.value == pytest.approx(197 / 263, rel=1e-12)
    interval = (result.whole.precision.lower, result.whole.precision.upper)
    assert interval == pytest.approx(proportion_confint(197, 200, method="beta"), rel=1e-2)
    for parts in (result.categories, result.languages, result.strata):
        sums = np.sum([list(vars_of(part.confusion)) for part in parts], axis=0)
        assert sums[:2].tolist() == [197, 3]
    assert {part.name for part in result.categories} <= set(nonsense.CATEGORIES)
    assert all(part.recall is None for part in (*result.categories, *result.strata))
    assert sum(vars_of(result.languages[1].confusion)) == 199


def vars_of(confusion: Confusion) -> tuple[int, int, int, int]:
    """The four counts."""
    return (
        confusion.true_positives, confusion.false_positives, confusion.false_negatives,
        confusion.true_negatives,
    )  # fmt: skip


def test_weights_make_up_for_the_way_the_sample_was_drawn() -> None:
    """Horvitz-Thompson: each row counts for the queries it stands for."""
    result = evaluate("pedophile", stratified(985, 15, 20, 9980, 40.0, 1000.0))
    assert result.whole.precision is not None
    assert result.whole.recall is not None
    assert result.accuracy is not None
    assert result.whole.precision.value == pytest.approx(0.985)
    recall = 985 * 40 / (985 * 40 + 20 * 1000)
    assert result.whole.recall.value == pytest.approx(recall)
    irrelevant = 15 * 40 + 9980 * 1000
    assert result.accuracy.false_positives.value == pytest.approx(15 * 40 / irrelevant)
    assert (result.recall_rows, result.recall_found) == (1005, 985)
    share = 1000 * 40 / (1000 * 40 + 10_000 * 1000)
    fpr = result.accuracy.false_positives.value
    relevant = (985 * 40 + 20 * 1000) / (1000 * 40 + 10_000 * 1000)
    assert rogan_gladen(share, recall, fpr) == pytest.approx(relevant)


def test_a_sample_for_recall_stands_alone() -> None:
    """The study's tool: 98.5 % and 74 % correct the share of the sample by 1.331."""
    rows = stratified(985, 15, 1, 9999, 1.0, 39.9)
    rows += [*sampled(True, True, 74, "recall"), *sampled(False, True, 26, "recall")]
    result = evaluate("pedophile", rows)
    assert result.accuracy is not None
    assert result.whole.precision is not None
    assert result.whole.precision.value == pytest.approx(0.985), "recall rows are no draw"
    assert result.accuracy.sensitivity.value == pytest.approx(0.74)
    assert result.accuracy.sensitivity.effective_n == pytest.approx(100, rel=0.02)
    assert (result.recall_rows, result.recall_found) == (100, 74)
    share = 1000 / (1000 + 10_000 * 39.9)
    true = rogan_gladen(share, 0.74, result.accuracy.false_positives.value)
    assert true / share == pytest.approx(0.985 / 0.74)


@pytest.mark.untraced
def test_intervals_cover_in_stratified_samples() -> None:
    """Samples of a known population, each with a window to be corrected: 92 % hold the truth.

    Of the share of irrelevant queries that is flagged, too, and of the corrected fraction.
    """
    rng = np.random.default_rng(11)
    flagged, unflagged, precision, missed, runs = 40_000, 400_000, 0.97, 0.01, 150
    recall = flagged * precision / (flagged * precision + unflagged * missed)
    wrong = flagged * (1 - precision) / (flagged * (1 - precision) + unflagged * (1 - missed))
    share, window = flagged / (flagged + unflagged), 100_000
    relevant = share * precision + (1 - share) * missed
    inside = np.zeros(4)
    for _ in range(runs):
        tp, fn = rng.binomial(800, precision), rng.binomial(1000, missed)
        result = evaluate("t", stratified(tp, 800 - tp, fn, 1000 - fn, 50.0, 400.0))
        assert result.accuracy is not None
        rate = result.accuracy.false_positives
        lower, upper = proportion_confint(
            rate.value * rate.effective_n, rate.effective_n, method="beta"
        )
        observed = rng.binomial(window, share) / window
        shown = corrected(Estimate(observed, 0, 1), window, result.accuracy)
        assert shown is not None
        for i, (low, high, truth) in enumerate(
            ((*ends(result, "precision"), precision), (*ends(result, "recall"), recall),
             (lower, upper, wrong), (shown.lower, shown.upper, relevant))
        ):  # fmt: skip
            inside[i] += low <= truth <= high
    assert (inside / runs >= 0.92).all(), inside / runs
    assert (inside / runs < 1).all(), inside / runs


def ends(result: Evaluation, name: str) -> tuple[float, float]:
    """Both ends of an interval of the whole sample."""
    estimate = getattr(result.whole, name)
    return estimate.lower, estimate.upper


def test_no_miss_found_is_not_no_miss() -> None:
    """The weight of the unflagged rows limits what recall can be said to be."""
    few = evaluate("t", stratified(200, 0, 0, 100, 1.0, 1000.0))
    many = evaluate("t", stratified(200, 0, 0, 100_000, 1.0, 1.0))
    assert few.whole.recall is not None
    assert many.whole.recall is not None
    assert few.whole.recall.value == many.whole.recall.value == 1.0
    assert few.whole.recall.lower < 0.01 < 0.95 < many.whole.recall.lower
    assert many.accuracy is not None
    assert many.accuracy.false_positives.value == 0
    assert many.accuracy.false_positives.effective_n == pytest.approx(100_000)


@pytest.mark.parametrize(
    "rows",
    [
        [*sampled(True, True, 9, "flagged"), *sampled(True, False, 1, "flagged")],
        [*sampled(False, True, 9, "unflagged"), *sampled(False, False, 9, "unflagged")],
        [*sampled(True, True, 5, "recall"), *sampled(False, True, 5, "recall")],
        [*sampled(True, False, 9, "flagged"), *sampled(False, True, 9, "unflagged")],
        [*sampled(True, False, 9, "flagged"), *sampled(False, False, 9, "unflagged")],
        [*sampled(True, True, 9, "flagged"), *sampled(False, True, 9, "unflagged")],
    ],
    ids=["no unflagged", "no flagged", "recall alone", "no hit", "no relevant", "no irrelevant"],
)
def test_a_sample_that_does_not_tell_gives_no_correction(rows: Sequence[ScoredQuery]) -> None:
    """One half of what is needed is nothing."""
    assert evaluate("t", rows).accuracy is None


def test_what_holds_no_word_is_told_by_its_line(detector: Detector) -> None:
    """And so is a tree that is none; the text is in no message."""
    row = LabelledQuery(7, "related::zqcanary", frozenset({"pedophile"}), "fr", "flagged", 1.0)
    with pytest.raises(SourceError, match="line 7: no word that was searched for") as caught:
        score(PATH, [row], detector, "plain")
    assert "zqcanary" not in str(caught.value)
    broken = replace(row, text='TEXT("zqcanary')
    with pytest.raises(SourceError, match="line 7: not a search tree") as caught:
        score(PATH, [broken], detector, "enode-go")
    assert "zqcanary" not in str(caught.value)
