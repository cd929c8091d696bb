"""``<ts>\\t<ip>\\t<query>``: the three fields of the study."""

from __future__ import annotations

from donkeywatch.ingest.formats.line_format import OTHER, RawQuery


class Tsv:
    """The query is everything behind the second tab, further tabs included."""

    def read(self, line: bytes) -> RawQuery | str:
        """Split at the first two tabs."""
        parts = line.split(b"\t", 2)
        return RawQuery(parts[0], parts[1], parts[2]) if len(parts) == 3 else OTHER
