"""The verb `check`: tries the settings, the state and a sample of each log."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli import terminal_tables
from donkeywatch.cli.application import app, out
from donkeywatch.cli.check_results import exit_with, show_checks
from donkeywatch.cli.shared_options import DEFAULT_CONFIG
from donkeywatch.counting.calendar import SECOND
from donkeywatch.errors import ConfigError, SourceError, UsageError
from donkeywatch.ingest import lexicon_file
from donkeywatch.ingest.detector import create_detector
from donkeywatch.ingest.line_reader import LineReader
from donkeywatch.runtime import checks
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.runtime.followed_source import line_reader
from donkeywatch.runtime.format_detection import (
    TRIED_LINES,
    detect_format,
    reader_without_lexicon,
)
from donkeywatch.runtime.log_sample import file_lines, has_columns, line_limit, read_sample
from donkeywatch.settings import loader
from donkeywatch.settings.schema import EventTime, FormatName, Settings, Source, WrapperName
from donkeywatch.sources.wrappers import SPLIT_LINE


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
    """Check settings, lexicon, keys, and how the logs are read.

    Prints counts by outcome and the byte offsets of the first rejected lines; never a line.
    With --format alone no settings file is needed.
    """
    if format_name is not None and config_path is None:
        if sample is None:
            raise UsageError("--format needs a sample", "name a log file")
        if format_name == "regex":
            raise UsageError("format `regex` needs a `pattern`", "give settings that have one")
        bare = Source(path=sample, format=format_name, wrapper=wrapper)
        _show_sample(sample, reader_without_lexicon(bare), bare, EventTime())
        return
    settings = loader.load(config_path or DEFAULT_CONFIG)
    # A sample stands for the logs: where archives alone are counted, there are none.
    findings = show_checks(settings, with_logs=sample is None)
    if notice := loader.exposed_token(config_path or DEFAULT_CONFIG):
        out.print(notice, highlight=False, markup=False, soft_wrap=True)
    if sample is not None and not any(isinstance(finding, ConfigError) for finding in findings):
        chosen = _source(settings, source)
        detector = create_detector(settings, lexicon_file.load_configured(settings))
        _show_sample(sample, line_reader(chosen, detector), chosen, settings.time)
    exit_with(findings)


def _source(settings: Settings, name: str | None) -> Source:
    named = {source.name: source for source in settings.source}
    if name is not None and name not in named:
        raise UsageError(f"there is no source `{name}`", f"use one of: {', '.join(named)}")
    return named[name] if name else settings.source[0]


def _show_sample(path: Path, reader: LineReader, source: Source, time: EventTime) -> None:
    latest = wall_ms() + round(time.future * SECOND)
    sample = read_sample(file_lines(path, line_limit(reader)), reader, latest)
    if sample.lines and not sample.searches:
        lines = list(itertools.islice(file_lines(path, SPLIT_LINE), TRIED_LINES))
        detected = detect_format(path, lines, latest)
        if detected is not None:
            out.print(terminal_tables.outcome_table(detected.sample))
            raise SourceError(
                f"{path}: no search in it as it is set, but otherwise",
                f"{detected.remedy_for(source)}; the table tells what is read then",
            )
    out.print(terminal_tables.outcome_table(sample))
    for offset, outcome in sample.rejected:
        out.print(f"rejected as {outcome}: the line at byte {offset}", highlight=False)
    if sample.lines and not sample.searches:
        raise SourceError(
            f"{path}: none of {sample.lines} lines is a search", checks.remedy_for(sample, source)
        )
    if sample.lines and not has_columns(path, reader):
        out.print(
            f"lines like these are read one by one, not by columns: here {sample.rate:,} lines/s"
            " in a process (docs/formats.md)",
            highlight=False,
            soft_wrap=True,
        )
