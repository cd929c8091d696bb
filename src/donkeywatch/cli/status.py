"""The verb `status`: the figures of a state directory, and how its daemon is."""

from __future__ import annotations

import sqlite3
import time
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from donkeywatch.cli import terminal_tables
from donkeywatch.cli.application import app, out
from donkeywatch.cli.daemon_text import describe_daemon
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.counting.calendar import utc
from donkeywatch.errors import StateError
from donkeywatch.ingest import lexicon_file
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.publish.http import status_client
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.settings.state_files import DATABASE
from donkeywatch.store import database_opening
from donkeywatch.store.key_findings import findings


@app.command()
def status(
    config_path: ConfigOption = DEFAULT_CONFIG,
    watch: Annotated[bool, typer.Option(help="repeat every 2 s until Ctrl-C")] = False,
) -> None:
    """Show the current fractions and how far each log is counted.

    And whether the daemon runs, how it is, and errors so far.
    """
    settings = loader.load(config_path)
    if not (settings.state / DATABASE).exists():
        raise StateError(
            f"no database in {settings.state}", "start `donkeywatch run` or `backfill` first"
        )
    lexicon = lexicon_file.load_configured(settings, allow_expired=True)
    snapshots = Snapshots(
        settings.state,
        [series.id for series in lexicon_file.configured_series(settings, lexicon)],
    )
    if not watch:
        out.print(_status(snapshots, settings, lexicon))
        return
    while not out.is_terminal:  # Live shows nothing there before its end.
        out.print(_status(snapshots, settings, lexicon))
        time.sleep(2)
    with Live(console=out, auto_refresh=False, screen=True) as live:
        while True:
            live.update(_status(snapshots, settings, lexicon), refresh=True)
            time.sleep(2)


def _status(snapshots: Snapshots, settings: Settings, lexicon: Lexicon) -> RenderableType:
    try:
        with snapshots.open() as snapshot:
            names = [source.name for source in settings.source]
            answer = status_client.ask_health(settings.http)
            windows = snapshot.current()
            parts: list[RenderableType] = [
                describe_daemon(answer, snapshot.state_id()),
                *(Text(finding) for finding in findings(settings.state, wall_ms())),
                *lexicon.notices(utc(wall_ms())),
                terminal_tables.source_table(snapshot.sources(), snapshot.counters(), names),
            ]
            if windows:
                parts += [
                    terminal_tables.window_table(windows),
                    terminal_tables.fraction_table(windows),
                    Text(terminal_tables.CLOSED_NOTE, style="dim"),
                ]
    except sqlite3.OperationalError as error:
        raise database_opening.unavailable_error(snapshots.path, error) from None
    except sqlite3.DatabaseError as error:
        raise StateError(
            f"the database in {settings.state} cannot be read ({error})",
            "see `donkeywatch run` for what is wrong with it",
        ) from None
    return Group(*parts)
