"""Trying a word list without showing it: lexicon check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli.shared_options import (
    lexicon_app,
    out,
)
from donkeywatch.counting.calendar import utc
from donkeywatch.ingest import lexicon as lexicons
from donkeywatch.ingest.lexicon import Lexicon
from donkeywatch.runtime.clock_jumps import wall_ms


@lexicon_app.command("check")
def lexicon_check(
    path: Annotated[Path, typer.Argument(help="the word list")],
) -> None:
    """Check a word list; tells counts and places, never an entry."""
    lexicon: Lexicon = lexicons.load(path)
    for name, topic in lexicon.topics.items():
        words = sum(len(entries) for entries in topic.groups.values())
        suffixes = len(topic.ages.suffixes) if topic.ages else 0
        out.print(
            f"{name}: {len(topic.categories)} categories, {words} words in"
            f" {len(topic.groups)} groups, {suffixes} age suffixes",
            highlight=False,
        )
    out.print(f"expires: {lexicon.expires or 'never'}", highlight=False)
    for notice in lexicon.notices(utc(wall_ms())):
        out.print(notice, highlight=False, markup=False, soft_wrap=True)
