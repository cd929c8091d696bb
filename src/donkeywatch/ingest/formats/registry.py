"""Creates the line format that a source's settings name."""

from __future__ import annotations

from donkeywatch.ingest.formats.enode_go import EnodeGo
from donkeywatch.ingest.formats.jsonl import Jsonl
from donkeywatch.ingest.formats.line_format import LineFormat
from donkeywatch.ingest.formats.regex import Regex
from donkeywatch.ingest.formats.tsv import Tsv
from donkeywatch.settings.schema import Source


def create_format(source: Source) -> LineFormat:
    """Make the format that a source's settings name."""
    if source.format == "enode-go":
        return EnodeGo()
    if source.format == "jsonl":
        return Jsonl({str(name): key for name, key in source.keys.items()})
    if source.format == "regex" and source.pattern is not None:
        return Regex(source.pattern, strip_ansi=source.strip_ansi)
    if source.format == "tsv":
        return Tsv()
    raise ValueError(f"the format {source.format} has no parser")
