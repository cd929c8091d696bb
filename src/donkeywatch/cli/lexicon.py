"""The verbs of `lexicon`, which show no entry of a word list."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli.application import err, lexicon_app, out
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.cli.terminal_tables import format_percent
from donkeywatch.counting.calendar import utc
from donkeywatch.errors import UsageError
from donkeywatch.evaluation import sample_plan
from donkeywatch.evaluation.sample_plan import Assumptions
from donkeywatch.ingest import lexicon_file, lexicon_review, lexicon_template
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.runtime.pid_file import find_daemon
from donkeywatch.settings import loader
from donkeywatch.settings.private_files import read_private_file, write_private_file


@lexicon_app.command("check")
def lexicon_check(
    path: Annotated[Path, typer.Argument(help="the word list")],
) -> None:
    """Check a word list: all its faults, or its counts; places only, never an entry."""
    lexicon, faults = lexicon_file.read(path)
    for fault in faults:
        _print(f"{fault.problem} -> {fault.remedy}")
    if lexicon is not None:
        _print_counts(lexicon)
    if faults:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        err.print(f"donkeywatch: {count} in the word list; see above", style="bold")
        raise typer.Exit(faults[0].exit_code)


@lexicon_app.command("init")
def lexicon_init(
    path: Annotated[Path, typer.Argument(help="where to write it")],
) -> None:
    """Begin a word list: a file of mode 0600 with comments, whose words are made up."""
    lexicon_template.write(path)
    _print(f"{path}: replace its made-up words by yours, then `donkeywatch lexicon check {path}`")


@lexicon_app.command("diff")
def lexicon_diff(
    old: Annotated[Path, typer.Argument(help="a word list")],
    new: Annotated[Path, typer.Argument(help="the one to compare it with")],
) -> None:
    """Compare two word lists: how many entries came and went by group, and which rules differ."""
    lists = [lexicon_file.load(path, allow_expired=True) for path in (old, new)]
    before, after = lists
    changes = lexicon_review.compare(before, after)
    for change in changes:
        _print(
            f"{change.topic}.{change.group}: {change.added} new, {change.removed} gone,"
            f" {change.kept} as before"
        )
    rules = lexicon_review.compare_rules(before, after)
    for difference in rules:
        _print(difference)
    if not changes and not rules:
        _print("no difference")


@lexicon_app.command("schema")
def lexicon_schema() -> None:
    """Print the form of a word list as a JSON Schema, for editors that check and complete TOML."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    print(json.dumps(schema | Lexicon.model_json_schema(), indent=2))


@lexicon_app.command("plan")
def lexicon_plan(
    flagged: Annotated[int, typer.Option(min=1, help="flagged queries of the weeks to draw from")],
    unflagged: Annotated[int, typer.Option(min=1, help="the other queries of these weeks")],
    precision: Annotated[
        float, typer.Option(min=0.01, max=1, help="share of the flagged ones that is relevant")
    ] = 0.985,
    recall: Annotated[
        float, typer.Option(min=0.01, max=1, help="share of the relevant ones that is flagged")
    ] = 0.74,
) -> None:
    """Tell which sizes of a labelled sample are expected to give which intervals.

    Flagged and other queries are drawn apart, as docs/evaluation.md says; precision and recall are
    what you suppose, by default what the study found.
    """
    samples = list(sample_plan.plan(Assumptions(flagged, unflagged, precision, recall)))
    if not samples:
        raise UsageError(
            "there are fewer queries than the smallest sample has rows",
            f"take weeks with {min(sample_plan.FLAGGED_SIZES)} flagged queries or more, and"
            f" {min(sample_plan.UNFLAGGED_SIZES):,} others",
        )
    rows = [("flagged rows", "unflagged rows", "precision, %", "recall, %")]
    rows += [
        (
            f"{sample.flagged_rows:,}", f"{sample.unflagged_rows:,}",
            format_percent(sample.precision), format_percent(sample.recall),
        )
        for sample in samples
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        _print(line)


@lexicon_app.command("promote")
def lexicon_promote(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Let the word list in the shadow take over from the one in use.

    The daemon takes it when the next hour begins, and records by which factor each series grows.
    The list of before is kept beside it. See docs/lexicon.md.
    """
    settings = loader.load(config_path)
    path, shadow = settings.lexicon, settings.detection.shadow_lexicon
    if shadow is None:
        raise UsageError(
            "there is no list in the shadow",
            "set `shadow_lexicon` in [detection], and let both lists run side by side for a week",
        )
    if path is None:
        raise UsageError(
            "the word list comes from a command, which only you can change",
            "let the command give the list of the shadow, then `donkeywatch reload`",
        )
    new, old = lexicon_file.load(shadow), lexicon_file.load(path, allow_expired=True)
    if new == old:
        raise UsageError(
            "the list in the shadow is the one in use", "take `shadow_lexicon` out of the settings"
        )
    previous = path.with_name(f"{path.name}.previous")
    write_private_file(previous, read_private_file(path, f"lexicon {path}"))
    write_private_file(path, read_private_file(shadow, f"lexicon {shadow}"))
    _print(f"{path}: now the list of {shadow}; the one of before is {previous}")
    process = find_daemon(settings.state)
    if process is None:
        _print("the next start takes it, and records the factors")
        return
    os.kill(process, signal.SIGHUP)
    _print("the daemon takes it when the next hour begins, and records the factors")


def _print_counts(lexicon: Lexicon) -> None:
    for name, topic in lexicon.topics.items():
        words = sum(len(entries) for entries in topic.groups.values())
        suffixes = len(topic.ages.suffixes) if topic.ages else 0
        _print(
            f"{name}: {len(topic.categories)} categories, {words} words in"
            f" {len(topic.groups)} groups, {suffixes} age suffixes"
        )
        for counts in lexicon_review.count_groups(topic):
            kinds = counts.languages if set(counts.languages) != {"und"} else {}
            kinds |= counts.matches if set(counts.matches) != {"word"} else {}
            parts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            _print(f"  {counts.group}: {counts.entries}{f' ({parts})' if parts else ''}")
    for remark in lexicon_review.find_remarks(lexicon):
        _print(remark)
    for group in lexicon.unused_groups():
        _print(f"{group}: no category asks for this group")
    _print(f"expires: {lexicon.expires or 'never'}")
    for notice in lexicon.notices(utc(wall_ms())):
        _print(notice)


def _print(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)
