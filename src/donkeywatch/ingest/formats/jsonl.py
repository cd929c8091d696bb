"""One JSON object a line, with mappable keys."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping

from donkeywatch.ingest.formats.line import MALFORMED, OTHER, Search

FIRST = 0x10FF00
"""Private characters from here on stand for bytes that are not UTF-8."""
STAND_IN = re.compile(f"([{chr(FIRST + 0x80)}-{chr(FIRST + 0xFF)}])")
RAW = "donkeywatch-raw"


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - used for decoding alone
    odd = error.object[error.start : error.end]
    return "".join(chr(FIRST + byte) for byte in odd), error.end


codecs.register_error(RAW, _stand_in)

KEYS = {"ts": "ts", "ip": "ip", "query": "query"}


class Jsonl:
    """``keys`` maps ts, ip and query to the log's own names; dots reach into nested objects."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._paths = [(KEYS | dict(keys))[name].split(".") for name in KEYS]

    def read(self, line: bytes) -> Search | str:
        """An object without one of the keys is another kind of record, not an error."""
        if not line.strip():
            return OTHER
        try:
            record = json.loads(line.decode("utf-8", RAW))
        except (ValueError, RecursionError):
            return MALFORMED
        stamp, address, query = (self._value(record, path) for path in self._paths)
        if stamp is None or address is None or query is None:
            return OTHER
        return Search(stamp, address, query)

    @staticmethod
    def _value(record: object, path: list[str]) -> bytes | None:
        for name in path:
            if not isinstance(record, dict) or name not in record:
                return None
            record = record[name]
        if isinstance(record, bool) or not isinstance(record, str | int | float):
            return None
        # A lone surrogate escape in JSON is no character: it becomes a separator, not an error.
        parts = STAND_IN.split(str(record))
        return b"".join(
            bytes((ord(part) - FIRST,)) if i % 2 else part.encode("utf-8", "replace")
            for i, part in enumerate(parts)
        )
