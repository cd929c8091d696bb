"""One JSON object a line, with mappable keys."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping

from donkeywatch.ingest.formats.line_format import MALFORMED, OTHER, RawQuery

RAW_BYTE_BASE = 0x10FF00
"""Private characters from here on stand for bytes that are not UTF-8."""
RAW_BYTE = re.compile(f"([{chr(RAW_BYTE_BASE + 0x80)}-{chr(RAW_BYTE_BASE + 0xFF)}])")
RAW_ERRORS = "donkeywatch-raw"


def _keep_raw_bytes(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - used for decoding alone
    undecodable = error.object[error.start : error.end]
    return "".join(chr(RAW_BYTE_BASE + byte) for byte in undecodable), error.end


codecs.register_error(RAW_ERRORS, _keep_raw_bytes)

KEYS = {"ts": "ts", "ip": "ip", "query": "query"}


class Jsonl:
    """``keys`` maps ts, ip and query to the log's own names; dots reach into nested objects."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._paths = [(KEYS | dict(keys))[name].split(".") for name in KEYS]

    def read(self, line: bytes) -> RawQuery | str:
        """An object without one of the keys is another kind of record, not an error."""
        if not line.strip():
            return OTHER
        try:
            record = json.loads(line.decode("utf-8", RAW_ERRORS))
        except (ValueError, RecursionError):
            return MALFORMED
        stamp, address, query = (self._value(record, path) for path in self._paths)
        if stamp is None or address is None or query is None:
            return OTHER
        return RawQuery(stamp, address, query)

    @staticmethod
    def _value(record: object, path: list[str]) -> bytes | None:
        for name in path:
            if not isinstance(record, dict) or name not in record:
                return None
            record = record[name]
        if isinstance(record, bool) or not isinstance(record, str | int | float):
            return None
        # A lone surrogate escape in JSON is no character: it becomes a separator, not an error.
        parts = RAW_BYTE.split(str(record))
        return b"".join(
            bytes((ord(part) - RAW_BYTE_BASE,)) if i % 2 else part.encode("utf-8", "replace")
            for i, part in enumerate(parts)
        )
