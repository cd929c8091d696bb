"""The verb `evaluate`: how well a word list does on labelled queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli.application import app, out
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.cli.terminal_tables import format_percent
from donkeywatch.errors import ConfigError
from donkeywatch.estimation.correction import Rate
from donkeywatch.evaluation import evaluate as evaluation
from donkeywatch.evaluation import labels
from donkeywatch.evaluation.evaluate import Breakdown, Evaluation
from donkeywatch.evaluation.labels import LabelledQuery
from donkeywatch.evaluation.validation_record import RateRecord, TopicRecord, ValidationRecord
from donkeywatch.ingest import keyring, lexicon_file
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.ingest.lexicon_model import digest as lexicon_digest
from donkeywatch.ingest.normalisation import NORMALISATION
from donkeywatch.settings import loader
from donkeywatch.settings.detection_settings import Profile
from donkeywatch.settings.schema import Settings, Syntax

HEADINGS = ("TP", "FP", "FN", "TN", "precision, %", "recall, %")
"""Rows by what they are and what was said of them; rates with their 95 % intervals."""


@app.command()
def evaluate(
    path: Annotated[Path, typer.Argument(metavar="LABELS", help="labelled queries, CSV")],
    lexicon: Annotated[
        Path | None, typer.Option(help="the word list; default that of the settings")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="write a validation record here; needs the settings")
    ] = None,
    syntax: Annotated[Syntax, typer.Option(help="how the texts are written")] = "plain",
    extended: Annotated[
        bool, typer.Option("--extended", help="the profile `extended`, too, beside `paper`")
    ] = False,
    sampled_from: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="first day of the sample")
    ] = None,
    sampled_to: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="last day of the sample")
    ] = None,
    config_path: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Run the detector over labelled queries: precision and recall.

    Prints counts and rates, never a query. With the record in [correction], the daemon shows the
    corrected fraction as long as the word list stays the same. See docs/evaluation.md.
    """
    key = None if record is None else _key(loader.load(config_path))
    profiles: Sequence[Profile] = ("paper", "extended") if extended else ("paper",)
    if lexicon is not None:
        words = lexicon_file.load(lexicon)
    else:
        settings = loader.load(config_path)
        words = lexicon_file.load_configured(settings)
        profiles = profiles if extended else settings.detection.profiles
    rows, results = _results(path, words, profiles, syntax)
    for result in results:
        _print_evaluation(result)
    if record is not None and key is not None:
        digest = lexicon_digest(words, key)
        made = ValidationRecord(
            evaluated_on=datetime.now(UTC).date(),
            sampled_from=sampled_from.date() if sampled_from else None,
            sampled_to=sampled_to.date() if sampled_to else None,
            lexicon=digest,
            normalisation=NORMALISATION,
            languages=tuple(sorted({row.language for row in rows})),
            topics={result.topic: _topic_record(result) for result in results},
        )
        made.save(record)
        out.print(f"record: {record}, lexicon {digest}", highlight=False, soft_wrap=True)


def _key(settings: Settings) -> bytes:
    directory = settings.key_directory
    if not (directory / keyring.INSTALL_KEY_NAME).exists():
        raise ConfigError(
            f"there is no key in {directory} yet, and a record is bound to it",
            "start `donkeywatch run` or `donkeywatch backfill` once, then evaluate again",
        )
    return keyring.install_key(directory, fresh=False)


def _results(
    path: Path, words: Lexicon, profiles: Sequence[Profile], syntax: Syntax
) -> tuple[list[LabelledQuery], list[Evaluation]]:
    detector = Detector(words, profiles=profiles)
    rows = labels.read(path, [topic.id for topic in detector.paper_topics])
    judged = evaluation.score(path, rows, detector, syntax)
    return rows, [evaluation.evaluate(topic, confusions) for topic, confusions in judged.items()]


def _topic_record(result: Evaluation) -> TopicRecord:
    counts, accuracy = result.whole.confusion, result.accuracy
    return TopicRecord(
        labelled=sum(
            (
                counts.true_positives, counts.false_positives, counts.false_negatives,
                counts.true_negatives,
            )
        ),
        true_positives=counts.true_positives,
        false_positives=counts.false_positives,
        false_negatives=counts.false_negatives,
        true_negatives=counts.true_negatives,
        recall_labelled=result.recall_rows,
        recall_true_positives=result.recall_found,
        sensitivity=_rate(accuracy.sensitivity) if accuracy else None,
        false_positive_rate=_rate(accuracy.false_positives) if accuracy else None,
    )  # fmt: skip


def _rate(rate: Rate) -> RateRecord:
    return RateRecord(value=rate.value, trials=rate.effective_n)


def _print_evaluation(result: Evaluation) -> None:
    out.print(f"\ntopic {result.topic}", highlight=False, markup=False)
    _table("all", [result.whole])
    _table("category", result.categories)
    _table("language", result.languages)
    _table("stratum", result.strata)
    if result.accuracy is None:
        out.print("no correction: the sample does not tell both precision and recall")
        return
    rate = result.accuracy.false_positives.value
    out.print(f"share of irrelevant queries that is flagged: {rate:.3g}", highlight=False)


def _table(title: str, parts: Iterable[Breakdown]) -> None:
    rows = [(title, *HEADINGS), *((part.name, *_cells(part)) for part in parts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        line = "  ".join((name.ljust(widths[0]), *padded))
        out.print(line, highlight=False, markup=False, soft_wrap=True)


def _cells(part: Breakdown) -> tuple[str, ...]:
    counts = part.confusion
    return (
        f"{counts.true_positives:,}",
        f"{counts.false_positives:,}",
        f"{counts.false_negatives:,}",
        f"{counts.true_negatives:,}",
        format_percent(part.precision),
        format_percent(part.recall),
    )
