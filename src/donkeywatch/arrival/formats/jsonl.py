"""One JSON object a line, with mappable keys."""

from __future__ import annotations

import json
from collections.abc import Mapping

from donkeywatch.arrival.formats.line import MALFORMED, OTHER, Search

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
            record = json.loads(line.decode("utf-8", "surrogateescape"))
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
        return str(record).encode("utf-8", "surrogateescape" if _bytes_only(record) else "replace")


def _bytes_only(value: object) -> bool:
    """Are all surrogates in it stand-ins for undecodable bytes?"""
    return not any(0xD800 <= ord(c) < 0xDC80 or 0xDCFF < ord(c) <= 0xDFFF for c in str(value))
