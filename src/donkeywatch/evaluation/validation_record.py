"""The validation record: what an evaluation leaves behind, counts only, and whether it fits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from donkeywatch.errors import ConfigError
from donkeywatch.estimation.correction import Accuracy, Rate
from donkeywatch.ingest.normalisation import NORMALISATION
from donkeywatch.settings.private_files import write_private_file

Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class RateRecord(_Strict):
    """A rate from 0 to 1, and how many independent trials its error is worth."""

    value: float = Field(ge=0, le=1)
    trials: float = Field(gt=0, allow_inf_nan=False)


class TopicRecord(_Strict):
    """One topic: rows by what they are and what was said of them, and the weighted rates.

    ``recall_labelled`` are the relevant rows that recall comes from, of a sample of their own or
    among the others.
    """

    labelled: Count
    true_positives: Count
    false_positives: Count
    false_negatives: Count
    true_negatives: Count
    recall_labelled: Count
    recall_true_positives: Count
    sensitivity: RateRecord | None = None
    false_positive_rate: RateRecord | None = None

    @property
    def accuracy(self) -> Accuracy | None:
        """Give what a correction needs, where the sample told it."""
        tpr, fpr = self.sensitivity, self.false_positive_rate
        if tpr is None or fpr is None or tpr.value <= fpr.value:
            return None
        return Accuracy(Rate(tpr.value, tpr.trials), Rate(fpr.value, fpr.trials))


class ValidationRecord(_Strict):
    """The whole record; ``lexicon`` is the keyed digest, as the daemon shows it."""

    version: Literal[1] = 1
    evaluated_on: date
    sampled_from: date | None = None
    sampled_to: date | None = None
    lexicon: str = Field(pattern="^[0-9a-f]{16}$")
    normalisation: str
    languages: tuple[str, ...]
    topics: dict[str, TopicRecord] = Field(min_length=1)

    def save(self, path: Path) -> None:
        """Write it, for its owner only, whole or not at all; ConfigError when it cannot be."""
        try:
            write_private_file(path, (self.model_dump_json(indent=2) + "\n").encode())
        except OSError as error:
            raise ConfigError(
                f"record {path}: cannot be written ({error.strerror})",
                "name a file in a directory of yours with --record",
            ) from None


def load(path: Path | None) -> ValidationRecord | None:
    """Read a record; None where none is set, ConfigError where it is not one."""
    if path is None:
        return None
    try:
        return ValidationRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"record {path}: not readable ({error.strerror})",
            "make it with `donkeywatch evaluate`, or leave `record` out of [correction]",
        ) from None
    except ValidationError:
        raise ConfigError(
            f"record {path}: not a validation record", "make it anew with `donkeywatch evaluate`"
        ) from None


def mismatch(record: ValidationRecord, lexicon: str) -> str | None:
    """Why a record says nothing of the lexicon with this digest; None when it does."""
    if record.lexicon != lexicon:
        return f"it was made with another lexicon ({record.lexicon}, loaded is {lexicon})"
    if record.normalisation != NORMALISATION:
        return f"it was made with normalisation {record.normalisation}, this is {NORMALISATION}"
    if not any(topic.accuracy for topic in record.topics.values()):
        return "its sample does not tell both precision and recall"
    return None


def accuracies(record: ValidationRecord, lexicon: str) -> Mapping[str, Accuracy]:
    """Give the detector's accuracy by topic; nothing where the record does not fit."""
    if mismatch(record, lexicon) is not None:
        return {}
    by_topic = {name: topic.accuracy for name, topic in record.topics.items()}
    return {name: accuracy for name, accuracy in by_topic.items() if accuracy is not None}
