"""How well a lexicon does on labelled queries: precision, recall and what a correction needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from donkeywatch.errors import SourceError
from donkeywatch.estimation.correction import Accuracy, Rate, false_positive_rate
from donkeywatch.estimation.intervals import Estimate, clopper_pearson
from donkeywatch.evaluation.labels import LabelledQuery
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.extended.evidence import base_topic
from donkeywatch.ingest.query_syntax import MalformedTreeError, searched_text
from donkeywatch.settings.schema import Syntax

Column = npt.NDArray[np.float64]
"""A number per row."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScoredQuery:
    """A row for one topic: what the person said and what the detector said; no word of it."""

    relevant: bool
    category: str | None
    language: str
    stratum: str
    weight: float
    for_recall: bool


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows by what they are and what the detector said of them, unweighted."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @classmethod
    def of(cls, rows: Sequence[ScoredQuery]) -> Confusion:
        """Count them."""
        cells = Counter((row.category is not None, row.relevant) for row in rows)
        return cls(
            cells[True, True], cells[True, False], cells[False, True], cells[False, False]
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A topic, or the rows of one category, language or stratum of it.

    ``precision`` and ``recall`` have 95 % intervals; None where nothing can be said. Only the
    whole and languages have a recall: what is missed has no category, and strata tell nothing.
    """

    name: str
    confusion: Confusion
    precision: Estimate | None
    recall: Estimate | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One topic on a labelled sample; ``accuracy`` is None where no correction can be made."""

    topic: str
    whole: Breakdown
    categories: tuple[Breakdown, ...]
    languages: tuple[Breakdown, ...]
    strata: tuple[Breakdown, ...]
    accuracy: Accuracy | None
    recall_rows: int
    """Relevant rows that recall comes from."""
    recall_found: int
    """How many of them are flagged."""


def score(
    path: Path, rows: Sequence[LabelledQuery], detector: Detector, syntax: Syntax
) -> dict[str, list[ScoredQuery]]:
    """Give the detector's category for each row by topic; only topics that some label names."""
    named = {topic for row in rows for topic in row.topics}
    scored: dict[str, list[ScoredQuery]] = {
        series.id: [] for series in detector.topics if base_topic(series.id) in named
    }
    for row in rows:
        codes = _codes(path, row, detector, syntax)
        for series, code in zip(detector.topics, codes, strict=True):
            if series.id in scored:
                category = series.categories[code - 1] if code else None
                is_relevant = base_topic(series.id) in row.topics
                scored[series.id].append(
                    ScoredQuery(
                        is_relevant, category, row.language, row.stratum, row.weight,
                        row.for_recall,
                    )
                )  # fmt: skip
    return scored


def _codes(path: Path, row: LabelledQuery, detector: Detector, syntax: Syntax) -> tuple[int, ...]:
    try:
        codes = detector.classify_text(searched_text(row.text.encode("utf-8"), syntax, "cp1252"))
    except MalformedTreeError:
        raise SourceError(
            f"{path}, line {row.line}: not a search tree",
            "give `--syntax` as the texts are written; `plain` is the words alone",
        ) from None
    if codes is None:
        raise SourceError(
            f"{path}, line {row.line}: no word that was searched for",
            "remove the row: such lines are no queries for the monitor either",
        )
    return codes


def evaluate(topic: str, rows: Sequence[ScoredQuery]) -> Evaluation:
    """Precision, recall and the detector's accuracy.

    Rows of a stratified sample count with their weights (Horvitz & Thompson 1952, J. Am. Stat.
    Assoc. 47, 663-685). Relevant rows of the stratum `recall` are a sample of their own: where
    there are any, recall comes from them alone, and nothing else does; only their own stratum
    counts them.
    """
    drawn = [row for row in rows if not row.for_recall]
    known = [row for row in rows if row.for_recall and row.relevant]
    sample = _WeightedSample(drawn)
    recall = _WeightedSample(known) if known else sample

    def part(
        name: str,
        kept: Callable[[ScoredQuery], bool],
        among: Sequence[ScoredQuery],
        *,
        recalled: bool,
    ) -> Breakdown:
        flagged, relevant = (
            np.array([kept(row) for row in s.rows], bool) for s in (sample, recall)
        )
        return Breakdown(
            name,
            Confusion.of([row for row in among if kept(row)]),
            _estimate(sample.precision(flagged)),
            _estimate(recall.recall(relevant)) if recalled else None,
        )

    def parts(
        name_of: Callable[[ScoredQuery], str | None],
        among: Sequence[ScoredQuery],
        *,
        recalled: bool = False,
    ) -> tuple[Breakdown, ...]:
        names = sorted({given for row in rows if (given := name_of(row)) is not None})
        return tuple(
            part(name, lambda row: name_of(row) == name, among, recalled=recalled)  # noqa: B023 - used at once
            for name in names
        )

    basis = known or [row for row in drawn if row.relevant]
    return Evaluation(
        topic,
        part(topic, lambda _: True, drawn, recalled=True),
        parts(lambda row: row.category, drawn),
        parts(lambda row: row.language, drawn, recalled=True),
        parts(lambda row: row.stratum, rows),
        sample.accuracy(recall.recall(np.ones(len(recall.rows), bool))),
        len(basis),
        sum(row.category is not None for row in basis),
    )


def precision_and_recall(rows: Sequence[ScoredQuery]) -> tuple[Estimate | None, Estimate | None]:
    """Give both with 95 % intervals, as `evaluate` does where no row was drawn for recall."""
    sample, inside = _WeightedSample(rows), np.ones(len(rows), bool)
    return _estimate(sample.precision(inside)), _estimate(sample.recall(inside))


class _WeightedSample:
    """Columns of some rows, and the ratios estimated from them."""

    def __init__(self, rows: Sequence[ScoredQuery]) -> None:
        self.rows = rows
        self._weight = np.array([row.weight for row in rows], np.float64)
        self._flagged = np.array([row.category is not None for row in rows], bool)
        self._relevant = np.array([row.relevant for row in rows], bool)
        self._recall = np.array([row.for_recall for row in rows], bool)
        names = {name: i for i, name in enumerate(dict.fromkeys(row.stratum for row in rows))}
        self._stratum = np.array([names[row.stratum] for row in rows], np.int64)

    def precision(self, inside: Mask) -> Rate | None:
        """The share of flagged queries that are relevant; of the rows ``inside``."""
        return self._ratio(self._relevant & self._flagged & inside, self._flagged & inside)

    def recall(self, inside: Mask) -> Rate | None:
        """The share of relevant queries that are flagged; None if nobody looked for others.

        Where no miss was found, one could still be behind each row that is not flagged, with
        its weight: the relevant queries are so many trials as such weights fit into them.
        """
        missed = ~self._flagged & inside
        ratio = self._ratio(self._relevant & self._flagged & inside, self._relevant & inside)
        if ratio is None or self._recall.all():
            return ratio
        if not missed.any():
            return None
        if ratio.value < 1:
            return ratio
        hits = self._weight[self._relevant & inside].sum() / self._weight[missed].max()
        return Rate(1.0, min(ratio.effective_n, float(hits)))

    def accuracy(self, recall: Rate | None) -> Accuracy | None:
        """Give what a correction needs; None where the sample does not tell it.

        Where nothing was wrongly flagged, the rate is known as well as if each flagged row
        with its weight had been a trial among the irrelevant queries.
        """
        if recall is None or recall.value <= 0 or not self._flagged.any():
            return None
        total, flagged = self._weight.sum(), self._weight[self._flagged].sum()
        precision = float(self._weight[self._flagged & self._relevant].sum() / flagged)
        try:
            rate = false_positive_rate(float(flagged / total), precision, recall.value)
        except ValueError:
            return None
        irrelevant = total - flagged * precision / recall.value
        wrong = (self._flagged & ~self._relevant) * self._weight / irrelevant
        variance = self._variance(wrong)
        trials = irrelevant / self._weight[self._flagged].max()
        if variance > 0:
            trials = rate * (1 - rate) / variance
        return Accuracy(recall, Rate(rate, float(trials))) if recall.value > rate else None

    def _ratio(self, hit: Mask, base: Mask) -> Rate | None:
        """A ratio of weighted totals; its trials come from the linearised variance.

        Cochran 1977, Sampling Techniques, 6.4; no more trials than rows (Korn & Graubard 1998).
        """
        total = float((self._weight * base).sum())
        if total <= 0:
            return None
        value = float((self._weight * hit).sum()) / total
        variance = self._variance(self._weight * (hit - value * base) / total)
        rows = int(np.count_nonzero(base))
        if variance > 0 and 0 < value < 1:
            return Rate(value, min(rows, value * (1 - value) / variance))
        return Rate(value, min(rows, total**2 / float((self._weight**2 * base).sum())))

    def _variance(self, parts: Column) -> float:
        """Give the variance of a total over a sample drawn with replacement in each stratum."""
        rows = np.bincount(self._stratum)
        means = np.bincount(self._stratum, parts) / rows
        squares = np.bincount(self._stratum, (parts - means[self._stratum]) ** 2)
        return float((squares * rows / np.maximum(rows - 1, 1)).sum())


def _estimate(rate: Rate | None) -> Estimate | None:
    if rate is None:
        return None
    interval = clopper_pearson(rate.value * rate.effective_n, rate.effective_n)
    return Estimate(rate.value, *interval)
