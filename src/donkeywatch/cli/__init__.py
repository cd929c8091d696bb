"""The command line: one verb each for what an operator does."""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import donkeywatch
from donkeywatch.cli.verbs import SUMMARIES, list_commands, load_commands

if TYPE_CHECKING:
    from typer import Typer

    app: Typer

__all__ = ["SUMMARIES", "app", "load_commands", "main"]

COMPLETION_VARIABLE = "_DONKEYWATCH_COMPLETE"
"""Set by a shell that completes a command line, and needs every option of every verb."""
VERBS_FOR_OTHERS = ("files", "init", "report")
"""Verbs that write what others may read if the umask lets them: units, settings, a report.

What is secret of it has mode 0600 by itself.
"""


def __getattr__(name: str) -> "Typer":
    """The command line as typer has it, loaded when it is asked for."""
    if name == "app":
        from donkeywatch.cli.application import app

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
    import_module(f"{__name__}.application").main()


def _print_version() -> bool:
    """Print the version without loading a verb; false where it cannot be written."""
    try:
        os.write(1, f"{donkeywatch.__version__}\n".encode())
    except OSError:
        return False
    return True
