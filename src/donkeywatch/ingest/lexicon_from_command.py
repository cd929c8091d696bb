"""The text of a word list that is kept encrypted: what a command of the operator writes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from donkeywatch.errors import ConfigError

MAX_BYTES = 16 << 20
"""Bytes of a word list."""
TIMEOUT_SECONDS = 60.0
"""Time that a command may take, with a key on a token, say."""
NAME = "lexicon_command"


def command_output(command: Sequence[str]) -> bytes:
    """Run a command without a shell and give what it writes to its standard output.

    It gets nothing to read, and what it says of errors is not passed on, since nobody knows what
    is in it. ConfigError where it cannot be run, fails, takes too long or writes too much.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "an argument cannot be passed"
        raise ConfigError(
            f"{NAME}: {command[0]} cannot be run ({reason})",
            "name a program, by its whole path if need be, and each argument by itself",
        ) from None
    with process:
        try:
            text, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise ConfigError(
                f"{NAME}: it took more than {TIMEOUT_SECONDS:.0f} s",
                "run it by hand: it may not ask for a passphrase",
            ) from None
    if process.returncode:
        raise ConfigError(
            f"{NAME}: it ended with exit code {process.returncode}",
            "run it by hand, as the user donkeywatch runs as",
        )
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{NAME}: more than {MAX_BYTES >> 20} MiB", "is it the word list?")
    return text
