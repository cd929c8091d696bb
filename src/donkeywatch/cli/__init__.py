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

__all__ = ["COMMANDS_BY_MODULE", "app", "load_commands", "main"]

COMMANDS_BY_MODULE = {
    "init": ("init",),
    "run": ("run",),
    "status": ("status",),
    "check": ("check",),
    "lexicon": ("lexicon",),
    "backfill": ("backfill",),
    "verify": ("verify",),
    "recover": ("recover",),
    "reset": ("reset",),
    "keys": ("keys",),
    "report": ("report",),
    "evaluate": ("evaluate",),
    "simulate": ("simulate",),
    "demo": ("demo",),
    "files": ("files",),
}
"""Modules of this package, and the verbs that each enters when it is loaded."""
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
    modules = [
        name
        for name, verbs in COMMANDS_BY_MODULE.items()
        if arguments[:1] and arguments[0] in verbs
    ]
    for name in modules or COMMANDS_BY_MODULE:
        import_module(f"{__name__}.{name}")
    order = [verb for verbs in COMMANDS_BY_MODULE.values() for verb in verbs]
    app.registered_commands.sort(
        key=lambda c: order.index(str(c.name or getattr(c.callback, "__name__", "")))
    )
    gc.freeze()
    gc.enable()


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
