"""The verbs `lexicon check` and `lexicon init`, which show no entry of a word list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli.application import err, lexicon_app, out
from donkeywatch.counting.calendar import utc
from donkeywatch.ingest import lexicon_file, lexicon_skeleton
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.runtime.clocks import wall_ms


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
    lexicon_skeleton.write(path)
    _print(f"{path}: replace its made-up words by yours, then `donkeywatch lexicon check {path}`")


def _print_counts(lexicon: Lexicon) -> None:
    for name, topic in lexicon.topics.items():
        words = sum(len(entries) for entries in topic.groups.values())
        suffixes = len(topic.ages.suffixes) if topic.ages else 0
        _print(
            f"{name}: {len(topic.categories)} categories, {words} words in"
            f" {len(topic.groups)} groups, {suffixes} age suffixes"
        )
    for group in lexicon.unused_groups():
        _print(f"{group}: no category asks for this group")
    _print(f"expires: {lexicon.expires or 'never'}")
    for notice in lexicon.notices(utc(wall_ms())):
        _print(notice)


def _print(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)
