"""The command line: one verb each for what an operator does."""

from donkeywatch.cli import monitor, upkeep, study, evaluation, showroom  # noqa: F401, I001 - they enter their verbs, in this order
from donkeywatch.cli.front import app, main

__all__ = ["app", "main"]
