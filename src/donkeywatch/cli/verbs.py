"""The verbs of the command line: their names, what each does, and loading their modules."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from importlib import import_module

SUMMARIES = {
    "init": "Write settings for a log and a word list to begin with.",
    "run": "Follow the logs and serve the figures, until SIGTERM or Ctrl-C.",
    "reload": "Have the daemon take new settings, word list and certificates.",
    "status": "Show the current fractions and how far each log is counted.",
    "check": "Check settings, lexicon, keys, and how the logs are read.",
    "lexicon": "Work on the word list.",
    "backfill": "Count finished log files, oldest first whatever their order.",
    "verify": "Check the database, its backups, and the positions in the logs.",
    "recover": "Go on from the newest good backup of a damaged database.",
    "reset": "Start empty: remove the database, its backups and all keys.",
    "keys": "Work on the weekly keys.",
    "token": "Work on the tokens of who may read the figures.",
    "fleet": "Unite several servers: each address counts once.",
    "report": "Draw the study's nine figures, with numbers and a page.",
    "evaluate": "Run the detector over labelled queries: precision and recall.",
    "simulate": "Simulate a server: logs, a nonsense lexicon, the exact truth.",
    "demo": "Look at donkeywatch on a simulated server, followed live.",
    "files": "Copy units, alerts, dashboards and docs out of the package.",
}
"""Verbs, and what each does; the module of this package that enters one has its name."""
MODULES = {"files": "export_shipped_files"}
"""Modules that have another name than their verb, since that alone would say too little."""


def load_commands(arguments: Sequence[str]) -> None:
    """Load the module of the verb that is asked for, or all: a start takes half the time."""
    # A look for plugins at every installed package takes a twentieth of a start; there are none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()  # What is loaded stays; to look for garbage in it takes a tenth of a start.
    from donkeywatch.cli.application import app

    for name in arguments[:1] if arguments[:1] and arguments[0] in SUMMARIES else SUMMARIES:
        import_module(f"donkeywatch.cli.{MODULES.get(name, name)}")
    order = list(SUMMARIES)
    app.registered_commands.sort(
        key=lambda c: order.index(str(c.name or getattr(c.callback, "__name__", "")))
    )
    gc.freeze()
    gc.enable()


def list_commands() -> None:
    """Enter the verbs by their summaries alone, for who asks which there are."""
    from donkeywatch.cli.application import app

    groups = [group.name for group in app.registered_groups]
    for verb, summary in SUMMARIES.items():
        if verb not in groups:
            app.command(verb, help=summary)(lambda: None)
