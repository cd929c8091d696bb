"""The command line: one verb each for what an operator does."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

# A look for plugins at every installed package takes a twentieth of a start; there are none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
gc.disable()  # What is loaded stays; to look for garbage in it takes a tenth of a start.

from donkeywatch.cli import front  # noqa: E402
from donkeywatch.cli.front import app  # noqa: E402

__all__ = ["MODULES", "app", "enter", "main"]

MODULES = {
    "monitor": ("run", "status", "check", "lexicon"),
    "archive": ("backfill",),
    "upkeep": ("verify", "recover", "reset"),
    "keys": ("keys",),
    "study": ("report",),
    "evaluation": ("evaluate",),
    "showroom": ("simulate", "demo"),
}
"""Modules of this package, and the verbs that each enters when it is loaded."""


def enter(arguments: Sequence[str]) -> None:
    """Load the module of the verb that is asked for, or all: a start takes half the time."""
    asked = [name for name, verbs in MODULES.items() if arguments[:1] and arguments[0] in verbs]
    for name in asked or MODULES:
        import_module(f"{__name__}.{name}")
    order = [verb for verbs in MODULES.values() for verb in verbs]
    app.registered_commands.sort(
        key=lambda c: order.index(str(c.name or getattr(c.callback, "__name__", "")))
    )
    gc.freeze()
    gc.enable()


def main() -> None:
    """Run the command line; every failure is one message and an exit code."""
    enter(sys.argv[1:])
    front.main()
