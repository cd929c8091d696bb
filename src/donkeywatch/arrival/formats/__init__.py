"""What each kind of log line means: the presets by name."""

from __future__ import annotations

from donkeywatch.arrival.formats.enode_go import EnodeGo
from donkeywatch.arrival.formats.jsonl import Jsonl
from donkeywatch.arrival.formats.line import Format
from donkeywatch.arrival.formats.regex import Regex
from donkeywatch.arrival.formats.tsv import Tsv
from donkeywatch.settings import Source


def preset(source: Source) -> Format:
    """The format of a source."""
    if source.format == "enode-go":
        return EnodeGo()
    if source.format == "jsonl":
        return Jsonl({str(name): key for name, key in source.keys.items()})
    if source.format == "regex" and source.pattern is not None:
        return Regex(source.pattern, strip_ansi=source.strip_ansi)
    return Tsv()
