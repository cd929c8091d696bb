"""Any other server: a pattern with the groups ts, ip and query."""

from __future__ import annotations

import re

from donkeywatch.ingest.formats.line_format import OTHER, RawQuery

ANSI = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Regex:
    """The pattern is anchored at both ends and is applied to bytes."""

    def __init__(self, pattern: str, *, strip_ansi: bool) -> None:
        self._pattern = re.compile(pattern.encode(), re.DOTALL)
        self._strip_ansi = strip_ansi
        self.has_stamp = "ts" in self._pattern.groupindex
        """Otherwise the stamp is that of the wrapper."""

    def read(self, line: bytes) -> RawQuery | str:
        """A line that the pattern does not match whole is no search."""
        if self._strip_ansi:
            line = ANSI.sub(b"", line)
        match = self._pattern.fullmatch(line)
        stamp = match["ts"] if match and self.has_stamp else b""
        if not match or stamp is None or match["ip"] is None or match["query"] is None:
            return OTHER
        return RawQuery(stamp, match["ip"], match["query"])
