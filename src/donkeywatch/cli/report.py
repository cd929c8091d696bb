"""The verb `report`: the study's figures from one's own data, or the released ones."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from donkeywatch.cli.application import app, err, out
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.counting.calendar import WEEK_NAME, to_ms, week_start
from donkeywatch.errors import UsageError
from donkeywatch.evaluation import validation_record
from donkeywatch.report import released_report
from donkeywatch.report.analysis import FOREVER, Options
from donkeywatch.report.hour_exclusion import Rule
from donkeywatch.report.hour_of_day_profiles import Estimator
from donkeywatch.report.provenance import figure_settings
from donkeywatch.settings import loader
from donkeywatch.settings.state_files import DATABASE

Release = Literal["live", "guarded"]


@app.command()
def report(
    directory: Annotated[Path, typer.Option("--out", help="where to write; made if need be")],
    config_path: ConfigOption = DEFAULT_CONFIG,
    database: Annotated[
        Path | None, typer.Option(help="a database file, in place of the settings'")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="first day or ISO week, as 2026-09-21 or 2026-W39")
    ] = None,
    until: Annotated[str | None, typer.Option(help="day or ISO week to stop before")] = None,
    countries: Annotated[
        list[str] | None, typer.Option(help="a group for figure 8, as AR+BR; may be repeated")
    ] = None,
    exclude: Annotated[Rule, typer.Option(help="which hours to leave out")] = "coverage",
    estimator: Annotated[
        Estimator, typer.Option(help="of the fractions by hour in figures 8 and 9")
    ] = "ratio_of_sums",
    topic: Annotated[str | None, typer.Option(help="what the report is about")] = None,
    comparison: Annotated[str | None, typer.Option(help="what it is compared with")] = None,
    date: Annotated[
        str | None, typer.Option(help="day of the report; default that of the newest commit")
    ] = None,
    spliced: Annotated[
        bool,
        typer.Option("--spliced", help="in figure 2 also across promoted word lists"),
    ] = False,
    release: Annotated[
        Release, typer.Option(help="`guarded`: only what is released, which anyone may see")
    ] = "live",
) -> None:
    """Draw the study's nine figures, with numbers and a page.

    Reads only, and may be used while the daemon runs. Needs the extra [study]. What each
    figure means and what not, and the columns of the CSV files, are in docs/method.md. With
    `--release guarded` it is a page and tables of released figures, see docs/release.md.
    """
    if release == "guarded":
        chosen = (since, until, countries, topic, comparison, date)
        if any(chosen) or exclude != "coverage" or estimator != "ratio_of_sums":
            raise UsageError(
                "what is released is decided, and cannot be chosen from",
                "leave out all options but --out, --database and --config",
            )
        _write_released(directory, config_path, database)
        return
    record, daemon_settings = None, None
    if database is None:
        settings = loader.load(config_path)
        database = settings.state / DATABASE
        record = validation_record.load(settings.correction.record)
        daemon_settings = figure_settings(settings)
    options = Options(
        since=_time(since) if since else 0,
        until=_time(until) if until else FOREVER,
        groups=tuple(_group(name) for name in countries) if countries else None,
        rule=exclude,
        estimator=estimator,
        topic=topic,
        comparison=comparison,
        record=record,
        spliced=spliced,
        date=_day(date) if date else None,
        settings=daemon_settings,
    )
    from donkeywatch.report import plot_elements
    from donkeywatch.report import report_files as reports

    plot_elements.require_matplotlib()
    columns = (
        TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err) as bar:
        task = bar.add_task("reading", total=reports.STEPS, start=True)
        done = -1

        def step(name: str) -> None:
            nonlocal done
            done += 1
            bar.update(task, completed=done, description=name)

        files = reports.write(database, directory, options, step)
        bar.update(task, completed=reports.STEPS, description="done")
    look = f"{len(files)} files; look at {files[0]}, or report.pdf and the CSV files beside it"
    out.print(look, highlight=False, soft_wrap=True)


def _write_released(directory: Path, config_path: Path, database: Path | None) -> None:
    title = ""
    if database is None:
        settings = loader.load(config_path)
        database, title = settings.state / DATABASE, settings.title
    files, weeks = released_report.write(database, directory, title)
    out.print(f"{len(files)} files; look at {files[0]}", highlight=False, soft_wrap=True)
    if not weeks:
        err.print(
            "no week is released yet: a daemon that runs decides each week, a day or more after its"
            " end, and after a backfill as long after that; see docs/release.md"
        )


def _time(text: str) -> int:
    """Midnight UTC of a day, or of the Monday of an ISO week, in ms."""
    try:
        if WEEK_NAME.fullmatch(text):
            return week_start(text)
        return to_ms(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC))
    except ValueError:
        raise UsageError(
            f"`{text}` is no day and no ISO week", "write 2026-09-21 or 2026-W39"
        ) from None


def _day(text: str) -> str:
    """A day in the form of ISO 8601."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
    except ValueError:
        raise UsageError(f"`{text}` is no day", "write 2026-09-21") from None


def _group(text: str) -> str:
    """Countries joined by a plus, in capitals."""
    names = text.upper().split("+")
    if not all(len(name) == 2 and name.isascii() and name.isalpha() for name in names):
        raise UsageError(f"`{text}` is no group of countries", "write FR, or AR+BR")
    return "+".join(names)
