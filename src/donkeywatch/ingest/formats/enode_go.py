"""The search line of eNode-go at log level ``debug``, one of three it writes per search."""

from __future__ import annotations

import re

from donkeywatch.ingest.formats.line_format import OTHER, RawQuery

LINE = re.compile(
    rb"(\S+)\tDEBUG\t\[module=tcp(?:-obfs)?\] tcp payload parsed remote=(\S+)"
    rb" opcode=OP_SEARCHREQUEST expr=(.*)",
    re.DOTALL,
)


class EnodeGo:
    """Anchored at both ends: a forged line inside a quoted query stays inside it."""

    def read(self, line: bytes) -> RawQuery | str:
        """The query is the tree that follows ``expr=``."""
        if b" expr=" not in line:
            return OTHER
        match = LINE.fullmatch(line)
        return RawQuery(match[1], match[2], match[3]) if match else OTHER
