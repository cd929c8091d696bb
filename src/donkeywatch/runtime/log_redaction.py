"""What is logged of an exception, types and places in the code alone; formatters and hooks.

The text of an exception may quote what it was raised over: ``int(line)`` has the line in it.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator

from donkeywatch.counting.calendar import SECOND, iso_utc
from donkeywatch.errors import DonkeywatchError

OUR_LOGGERS = ("donkeywatch", "root", None)
"""Loggers whose messages hold nothing but counts, paths and byte offsets."""
MAX_NESTED = 8
"""Causes, and members of groups, that are logged of one exception."""


def describe_exception(error: BaseException) -> str:
    """Give the types of an exception and of its causes, and where in the code each was raised.

    The text of a `DonkeywatchError` is logged, since it holds no line, word or address.

    >>> describe_exception(ValueError("a line"))
    'ValueError'
    """
    return "\n".join(_lines(error, set()))


def _lines(error: BaseException, described: set[int]) -> Iterator[str]:
    if id(error) in described or len(described) >= MAX_NESTED:
        return
    described.add(id(error))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _lines(cause, described)
    name = type(error).__qualname__
    yield f"{name}: {error}" if isinstance(error, DonkeywatchError) else name
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        yield f"  {code.co_filename}:{line} in {code.co_qualname}"
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _lines(member, described)


def write_exception(error: BaseException | None) -> None:
    """Write to stderr what may be said of an exception, if anybody reads it."""
    if error is None or sys.stderr is None:
        return
    try:
        print(describe_exception(error), file=sys.stderr, flush=True)
    except (OSError, ValueError):  # Closed, or full.
        return


class SafeFormatter(logging.Formatter):
    """Formats our own records whole; of a library's only what cannot hold a value.

    Libraries put reprs of what they work on into their messages. asyncio has them in the text
    itself, the others in its arguments or behind the first line.
    """

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Give level and text; of a library its name, and the first line of its template."""
        if record.name in OUR_LOGGERS:
            return super().formatMessage(record)
        template = str(record.msg).partition("\n")[0]
        text = "" if record.name.startswith("asyncio") else f": {template}"
        return f"{record.levelname} {record.name}{text}"

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        """Give types and places alone."""
        error = ei[1] if isinstance(ei, tuple) else None
        return describe_exception(error) if isinstance(error, BaseException) else ""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record without what another handler has formatted of its exception."""
        record.exc_text = None
        try:
            return super().format(record)
        finally:
            record.exc_text = None


class JsonFormatter(SafeFormatter):
    """Formats the same as one JSON object a line: time (ISO 8601, UTC), level, logger, message.

    Where an exception is logged, its types and places stand under ``exception``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as an object."""
        record.message = record.getMessage() if record.name in OUR_LOGGERS else ""
        entry = {
            "time": iso_utc(round(record.created * SECOND)),
            "level": record.levelname,
            "logger": record.name,
            "message": self.formatMessage(record).partition(" ")[2],
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def install_exception_hooks() -> None:
    """Have every unhandled exception described by `describe_exception` alone."""
    sys.excepthook = lambda _kind, error, _frames: write_exception(error)
    threading.excepthook = lambda failure: write_exception(failure.exc_value)
    sys.unraisablehook = lambda failure: write_exception(failure.exc_value)
    logging.raiseExceptions = False  # It would print the arguments of the record.
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(SafeFormatter())
