"""Trying the settings, the state and a sample of a log: check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli import terminal_tables
from donkeywatch.cli.shared_options import (
    DEFAULT_CONFIG,
    app,
    out,
)
from donkeywatch.counting.calendar import SECOND
from donkeywatch.errors import ConfigError, SourceError
from donkeywatch.ingest import lexicon as lexicons
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.line_reader import LineReader
from donkeywatch.runtime import checks
from donkeywatch.runtime.clock_jumps import wall_ms
from donkeywatch.runtime.source_pipeline import line_reader
from donkeywatch.settings import loader
from donkeywatch.settings.schema import EventTime, FormatName, Settings, Source, WrapperName


@app.command("check")
def check_command(
    sample: Annotated[Path | None, typer.Argument(help="a log file to try the format on")] = None,
    config_path: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="the settings file", envvar="DONKEYWATCH_CONFIG"),
    ] = None,
    format_name: Annotated[
        FormatName | None, typer.Option("--format", help="format of the sample, without settings")
    ] = None,
    source: Annotated[str | None, typer.Option(help="source whose format to try")] = None,
    wrapper: Annotated[
        WrapperName | None, typer.Option(help="what stands around its lines, without settings")
    ] = None,
) -> None:
    """Check settings, lexicon, keys and logs, and how the lines of a sample are understood.

    Prints counts by outcome and the byte offsets of the first rejected lines; never a line.
    With --format alone no settings file is needed.
    """
    if format_name is not None and config_path is None:
        if sample is None:
            raise ConfigError("--format needs a sample", "name a log file")
        if format_name == "regex":
            raise ConfigError("format `regex` needs a `pattern`", "give settings that have one")
        bare = Source(path=sample, format=format_name, wrapper=wrapper)
        _show_sample(sample, checks.reader_without_lexicon(bare), bare, EventTime())
        return
    settings = loader.load(config_path or DEFAULT_CONFIG)
    failures = []
    for name, error in checks.run_checks(settings):
        mark = "ok" if error is None else f"{error.problem} -> {error.remedy}"
        out.print(f"{name}: {mark}", highlight=False, markup=False, soft_wrap=True)
        failures += [error] if error else []
    if settings.countries is None:
        out.print("countries: none given, every address counts as ZZ", highlight=False)
    for notice in checks.notices(settings):
        out.print(notice, highlight=False, markup=False, soft_wrap=True)
    if failures:
        raise failures[0]
    if sample is not None:
        chosen = _source(settings, source)
        detector = Detector(lexicons.load(settings.lexicon))
        _show_sample(sample, line_reader(chosen, detector), chosen, settings.time)


def _source(settings: Settings, name: str | None) -> Source:
    named = {source.name: source for source in settings.source}
    if name is not None and name not in named:
        raise ConfigError(f"there is no source `{name}`", f"use one of: {', '.join(named)}")
    return named[name] if name else settings.source[0]


def _show_sample(path: Path, reader: LineReader, source: Source, time: EventTime) -> None:
    latest = wall_ms() + round(time.future * SECOND)
    measured = checks.sample(path, reader, latest)
    inner = checks.wrapped(path, reader, latest) if _is_strange(measured, reader) else None
    if inner is not None:
        out.print(terminal_tables.outcome_table(inner[1]))
        raise SourceError(
            f"{path}: a log in this format, but its lines stand in those of {inner[0]}",
            f'set `wrapper = "{inner[0]}"` for the source; the table tells what is read then',
        )
    out.print(terminal_tables.outcome_table(measured))
    for offset, outcome in measured.rejected:
        out.print(f"rejected as {outcome}: the line at byte {offset}", highlight=False)
    if measured.lines and not measured.searches:
        raise SourceError(
            f"{path}: none of {measured.lines} lines is a search", _remedy(measured, source)
        )
    if measured.lines and not checks.has_columns(path, reader):
        out.print(
            f"lines like these are read one by one, not by columns: here {measured.rate:,} lines/s"
            " in a process (docs/formats.md)",
            highlight=False,
            soft_wrap=True,
        )


def _is_strange(sample: checks.Sample, reader: LineReader) -> bool:
    """Were there lines, none of them a search, and nothing is said to stand around them?"""
    return sample.lines > 0 and not sample.searches and reader.wrapper is None


def _remedy(sample: checks.Sample, source: Source) -> str:
    """Name what to look at where no line of a sample is a search."""
    outcomes = sample.outcomes
    if outcomes["bad_time"] or outcomes["impossible_time"] or outcomes["future"]:
        return "look at the stamps: one without a zone needs `timezone`, an odd one `time_format`"
    if outcomes["bad_address"]:
        return "look at the addresses: they are to be plain IPv4 or IPv6"
    if source.format == "enode-go":
        return "eNode-go logs searches only at log level `debug`; is it its log?"
    return "is it a log in this format? docs/formats.md has an example of each"
