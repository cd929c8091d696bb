"""The command line: one verb each for what an operator does."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import donkeywatch

if TYPE_CHECKING:
    from typer import Typer

    app: Typer

__all__ = ["SUMMARIES", "app", "load_commands", "main"]

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
    "report": "Draw the study's nine figures, with numbers and a page.",
    "evaluate": "Run the detector over labelled queries: precision and recall.",
    "simulate": "Simulate a server: logs, a nonsense lexicon, the exact truth.",
    "demo": "Look at donkeywatch on a simulated server, followed live.",
    "files": "Copy units, alerts, dashboards and docs out of the package.",
}
"""Verbs, which are also the modules of this package that enter them, and what each does."""
COMPLETION_VARIABLE = "_DONKEYWATCH_COMPLETE"
"""Set by a shell that completes a command line, and needs every option of every verb."""
VERBS_FOR_OTHERS = ("files", "init", "report")
"""Verbs that write what others may read if the umask lets them: units, settings, a report.

What is secret of it has mode 0600 by itself.
"""


def load_commands(arguments: Sequence[str]) -> None:
    """Load the module of the verb that is asked for, or all: a start takes half the time."""
    # A look for plugins at every installed package takes a twentieth of a start; there are none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()  # What is loaded stays; to look for garbage in it takes a tenth of a start.
    app = __getattr__("app")
    for name in arguments[:1] if arguments[:1] and arguments[0] in SUMMARIES else SUMMARIES:
        import_module(f"{__name__}.{name}")
    order = list(SUMMARIES)
    app.registered_commands.sort(
        key=lambda c: order.index(str(c.name or getattr(c.callback, "__name__", "")))
    )
    gc.freeze()
    gc.enable()


def list_commands() -> None:
    """Enter the verbs by their summaries alone, for who asks which there are."""
    app = __getattr__("app")
    groups = [group.name for group in app.registered_groups]
    for verb, summary in SUMMARIES.items():
        if verb not in groups:
            app.command(verb, help=summary)(lambda: None)


def __getattr__(name: str) -> "Typer":
    """The command line as typer has it, loaded when it is asked for."""
    if name == "app":
        from donkeywatch.cli.shared_options import app

        return app
    raise AttributeError(name)


def main() -> None:
    """Run the command line in a hardened process; a failure is one message and an exit code."""
    if sys.argv[1:] == ["--version"] and _print_version():
        return
    private_files = not any(verb in VERBS_FOR_OTHERS for verb in sys.argv[1:2])
    import_module("donkeywatch.runtime.hardening").harden_process(private_files=private_files)
    if sys.argv[1:] in ([], ["--help"]) and COMPLETION_VARIABLE not in os.environ:
        list_commands()
    else:
        load_commands(sys.argv[1:])
    shared = import_module(f"{__name__}.shared_options")
    shared.main()


def _print_version() -> bool:
    """Print the version without loading a verb; false where it cannot be written."""
    try:
        os.write(1, f"{donkeywatch.__version__}\n".encode())
    except OSError:
        return False
    return True
