"""P9: estimators never mix: what is corrected says so, and is absent without its record."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from donkeywatch.counting.window_aggregates import TopicAggregate, WindowAggregate
from donkeywatch.estimation.correction import Accuracy, Rate, corrected
from donkeywatch.estimation.intervals import Estimate, query_fraction
from donkeywatch.evaluation.validation_record import (
    RateRecord,
    TopicRecord,
    ValidationRecord,
    accuracies,
    mismatch,
)
from donkeywatch.ingest.normalisation import NORMALISATION
from donkeywatch.publish.csv_tables import windows_csv
from donkeywatch.publish.metrics.catalogue import ALL_METRICS
from donkeywatch.publish.window_documents import window_document
from donkeywatch.publish.window_views import TopicView, WindowView

ACCURACY = Accuracy(Rate(0.74, 200), Rate(0.0001, 400_000))
DIGEST = "0123456789abcdef"


def record() -> ValidationRecord:
    """A record of one evaluation of one lexicon."""
    topic = TopicRecord(
        labelled=100, true_positives=70, false_positives=1, false_negatives=9, true_negatives=20,
        recall_labelled=79, recall_true_positives=70,
        sensitivity=RateRecord(value=0.8, trials=79),
        false_positive_rate=RateRecord(value=0.01, trials=20),
    )  # fmt: skip
    return ValidationRecord(
        evaluated_on=date(2026, 10, 1),
        lexicon=DIGEST,
        normalisation=NORMALISATION,
        languages=("fr",),
        topics={"one": topic},
    )


def shown(corrected_fraction: Estimate | None) -> WindowView:
    """Give a closed window of one topic as it is shown."""
    window = WindowAggregate(1000, 100, 20_000, (TopicAggregate(50, (20, 9, 4), 900, 200),))
    topic = TopicView(
        "one", 50, (20, 9, 4), query_fraction(window, 0), (None, None, None), {}, corrected_fraction
    )
    return WindowView("hour", 0, 3_600_000, True, 1000, 100, 0, 1.0, (topic,))


def test_the_name_of_a_corrected_metric_says_so() -> None:
    """And no other name does; each of both kinds has bounds of its own."""
    names = {spec.name for spec in ALL_METRICS}
    observed = {"window_query_ratio", "window_query_ratio_lower", "window_query_ratio_upper"}
    assert observed <= names
    assert {name.replace("window_", "window_corrected_") for name in observed} <= names
    assert {name for name in names if "corrected" in name} == {
        name.replace("window_", "window_corrected_") for name in observed
    }


def test_without_a_record_nothing_is_corrected() -> None:
    """No field, no cell: never the observed fraction in its place."""
    response = window_document(shown(None))
    assert response["topics"][0]["query_fraction"] is not None
    assert response["topics"][0]["corrected_query_fraction"] is None
    table = windows_csv([shown(None)], []).decode()
    header, row = (line.split(",") for line in table.splitlines()[:2])
    cells = dict(zip(header, row, strict=True))
    assert [cells[name] for name in header if "corrected" in name] == ["", "", ""]
    assert cells["query_fraction"] != ""


def test_the_observed_fraction_stays_beside_the_corrected_one() -> None:
    """The same, whether a record is there or not."""
    window = WindowAggregate(1000, 100, 20_000, (TopicAggregate(50, (20, 9, 4), 900, 200),))
    observed = query_fraction(window, 0)
    assert observed is not None
    estimate = corrected(observed, 1000, ACCURACY)
    with_record = window_document(shown(estimate))["topics"][0]
    without = window_document(shown(None))["topics"][0]
    assert with_record["query_fraction"] == without["query_fraction"]
    assert with_record["corrected_query_fraction"] != with_record["query_fraction"]


@pytest.mark.parametrize("change", [{"lexicon": "f" * 16}, {"normalisation": "another"}])
def test_a_record_of_another_lexicon_or_normalisation_corrects_nothing(
    change: dict[str, str],
) -> None:
    """It was made of other words, or of words that were compared in another way."""
    fitting = record()
    assert mismatch(fitting, DIGEST) is None
    assert set(accuracies(fitting, DIGEST)) == {"one"}
    other = fitting.model_copy(update=change)
    assert mismatch(other, DIGEST) is not None
    assert not accuracies(other, DIGEST)


def test_the_correction_undoes_the_errors_of_the_detector() -> None:
    """A known truth comes back, and a detector no better than chance corrects nothing."""
    truth = 0.02
    observed = truth * 0.74 + (1 - truth) * 0.0001
    estimate = corrected(Estimate(observed, 0, 1, 1.0), 1_000_000, ACCURACY)
    assert estimate is not None
    assert estimate.value == pytest.approx(truth)
    chance = replace(ACCURACY, false_positives=Rate(0.74, 200))
    assert corrected(Estimate(observed, 0, 1, 1.0), 1_000_000, chance) is None
