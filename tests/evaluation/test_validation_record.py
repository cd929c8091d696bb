"""A validation record says something of one lexicon, or nothing."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from donkeywatch.errors import ConfigError
from donkeywatch.estimation.correction import Accuracy, Rate
from donkeywatch.evaluation.validation_record import (
    RateRecord,
    TopicRecord,
    ValidationRecord,
    accuracies,
    load,
    mismatch,
)
from donkeywatch.ingest.normalisation import NORMALISATION

DIGEST = "0123456789abcdef"
TOPIC = TopicRecord(
    labelled=1100, true_positives=985, false_positives=15, false_negatives=26, true_negatives=74,
    recall_labelled=100, recall_true_positives=74,
    sensitivity=RateRecord(value=0.74, trials=100),
    false_positive_rate=RateRecord(value=0, trials=9),
)  # fmt: skip
RECORD = ValidationRecord(
    evaluated_on=date(2026, 11, 23), sampled_from=date(2026, 11, 2), sampled_to=date(2026, 11, 15),
    lexicon=DIGEST, normalisation=NORMALISATION, languages=("fr", "und"),
    topics={"pedophile": TOPIC},
)  # fmt: skip


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """For its owner only, whole, also over an older one; no record is set, none is read."""
    path = tmp_path / "validation.json"
    path.write_text("older", "utf-8")
    path.chmod(0o644)
    RECORD.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(path) == RECORD
    assert list(tmp_path.iterdir()) == [path]
    assert load(None) is None


def test_a_record_fits_one_lexicon_and_normalisation() -> None:
    """Otherwise it says why it does not, and nothing else."""
    assert mismatch(RECORD, DIGEST) is None
    assert accuracies(RECORD, DIGEST) == {"pedophile": Accuracy(Rate(0.74, 100), Rate(0, 9))}
    useless = TOPIC.model_copy(update={"false_positive_rate": RateRecord(value=0.8, trials=9)})
    half = TOPIC.model_copy(update={"sensitivity": None})
    for record, lexicon, reason in (
        (RECORD, "f" * 16, "made with another lexicon"),
        (RECORD.model_copy(update={"normalisation": "paper-0"}), DIGEST, "normalisation paper-0"),
        (RECORD.model_copy(update={"topics": {"pedophile": half}}), DIGEST, "does not tell"),
        (RECORD.model_copy(update={"topics": {"pedophile": useless}}), DIGEST, "does not tell"),
    ):
        assert reason in (mismatch(record, lexicon) or "")
        assert accuracies(record, lexicon) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"lexicon": "zqcanary"}, {"zqcanary": 1}, {"topics": {}},
        {"topics": {"zqcanary": {}}}, {"made": "zqcanary"},
        {"topics": {"pedophile": {**TOPIC.model_dump(), "sensitivity": {"value": 2, "trials": 1}}}},
        {"topics": {"pedophile": {**TOPIC.model_dump(), "sensitivity": {"value": 1, "trials": 0}}}},
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """By a message that names the file and the remedy, and repeats nothing of it."""
    path = tmp_path / "validation.json"
    path.write_text(json.dumps({**RECORD.model_dump(mode="json"), **change}), "utf-8")
    with pytest.raises(ConfigError, match=r"not a validation record -> make it anew") as caught:
        load(path)
    assert "zqcanary" not in str(caught.value)


def test_a_record_that_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    """No file, no JSON, no directory."""
    with pytest.raises(ConfigError, match=r"not readable .* -> make it"):
        load(tmp_path / "validation.json")
    (tmp_path / "empty").touch()
    with pytest.raises(ConfigError, match="not a validation record"):
        load(tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"cannot be written .* -> name a file"):
        RECORD.save(tmp_path / "nowhere" / "validation.json")
