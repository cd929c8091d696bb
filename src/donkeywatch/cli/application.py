"""The command line as a whole: the application, its consoles, and how a verb ends."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

import donkeywatch
from donkeywatch.cli import output_failures
from donkeywatch.errors import DatabaseUnavailableError, DonkeywatchError, may_pass
from donkeywatch.runtime.log_redaction import JsonFormatter, SafeFormatter, write_exception
from donkeywatch.runtime.repeated_messages import Journal

EXIT_CODES = """Exit codes: 0 done; 1 failed; 2 wrong arguments; 3 state or database; 4 state in use
by another process; 5 a log, an archive or labels cannot be read; 6 trouble that may pass: a full
disk, an I/O error, an address that is taken or not there yet; 7 settings, lexicon or keys;
130 Ctrl-C; 141 the reader of the output has gone."""


app = typer.Typer(
    help="Monitor of an eDonkey server's search log: which fraction of queries and of addresses"
    f" is flagged, counted exactly, with no trace of any person.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
lexicon_app = typer.Typer(help="Work on the word list.", no_args_is_help=True)
app.add_typer(lexicon_app, name="lexicon")
keys_app = typer.Typer(help="Work on the weekly keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

token_app = typer.Typer(
    help="Work on the tokens of who may read the figures.", no_args_is_help=True
)
app.add_typer(token_app, name="token")

fleet_app = typer.Typer(
    help="Unite several servers: each address counts once.", no_args_is_help=True
)
app.add_typer(fleet_app, name="fleet")


@keys_app.callback()
def _keys() -> None:
    """Work on the weekly keys."""


out = Console(emoji=False)
err = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


def print_plain(text: str) -> None:
    """Print a line as it is, however long."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def main() -> None:
    """Run the command line; every failure is one message and an exit code."""
    output_failures.guard()
    try:
        try:
            app()
        finally:
            output_failures.flush()
    except output_failures.OutputClosed:
        sys.exit(output_failures.PIPE_EXIT)
    except DonkeywatchError as error:
        _refuse(error)
    except OSError as error:
        if not may_pass(error):
            _tell_defect(error)
        where = f"{error.filename}: " if error.filename else ""
        _refuse(
            DatabaseUnavailableError(
                f"{where}{error.strerror}", "see to the disk or the limit, and repeat"
            )
        )
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # typer has put a hook of its own, which prints the message.
        _tell_defect(error)


def _tell_defect(error: Exception) -> NoReturn:
    """Tell where in the code a failure happened that no one expected, and end with code 1."""
    write_exception(error)
    sys.exit(1)


def _refuse(error: DonkeywatchError) -> NoReturn:
    with contextlib.suppress(OSError):  # Where it cannot be told, the exit code says it.
        err.print(f"donkeywatch: {error.problem}", style="bold", markup=False)
        err.print(f"  remedy: {error.remedy}", markup=False)
    sys.exit(error.exit_code)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    if version:
        out.print(donkeywatch.__version__)
        raise typer.Exit


def log_to_stderr(log_format: str = "text") -> None:
    """The daemon's own log: counts, paths and byte offsets only; journald adds the time.

    ``log_format`` is `text`, or `json` for an object a line.
    """
    handler = Journal()
    handler.setFormatter(JsonFormatter() if log_format == "json" else SafeFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
