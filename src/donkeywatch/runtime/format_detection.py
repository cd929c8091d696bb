"""Which format and wrapper read a log: every one of them is tried on some of its lines."""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.ingest.line_reader import LineReader
from donkeywatch.ingest.timestamps import Timestamp, TimestampParser
from donkeywatch.runtime.followed_source import line_reader
from donkeywatch.runtime.log_sample import Line, Sample, read_sample
from donkeywatch.settings.schema import FormatName, Source, WrapperName
from donkeywatch.sources.wrappers import WRAPPERS, unwrap

FORMATS: tuple[FormatName, ...] = ("enode-go", "tsv", "jsonl")
"""Those that are tried; `regex` has a pattern that only the operator knows."""
TRIED_LINES = 5_000
"""Lines that are tried, the newest ones."""
JSON_LINES = 200
"""Objects by which the keys of `jsonl` are told apart."""
QUERY_KEYS = ("query", "q", "expr", "search", "keywords", "text", "terms")
"""Last parts of the name that the key of the query has in logs, the likeliest first."""


@dataclass(frozen=True, slots=True)
class DetectedFormat:
    """Settings of a source that read a log, and what they make of its lines."""

    source: Source
    sample: Sample

    @property
    def needs_time_zone(self) -> bool:
        """Do the stamps say no zone, so that the operator has to?"""
        return self.source.timezone is not None

    def remedy_for(self, source: Source) -> str:
        """Say what to change of the settings of a source that reads nothing of the log."""
        in_vain = [
            name
            for name in ("time_format", "pattern", "wrapper", "keys")
            if getattr(source, name) and not getattr(self.source, name)
        ]
        is_set = all(
            getattr(source, name) == getattr(self.source, name)
            for name in ("format", "wrapper", "keys", "timezone")
            if getattr(self.source, name)
        )
        parts = [] if is_set and in_vain else [f"set {self}"]
        return ", and ".join([*parts, *(f"leave out `{name}`" for name in in_vain)])

    def __str__(self) -> str:
        """The settings by which it differs from a bare source, as they are written."""
        source = self.source
        parts = [f'format = "{source.format}"']
        if source.wrapper is not None:
            parts.append(f'wrapper = "{source.wrapper}"')
        if source.keys:
            names = ", ".join(f'{kind} = "{name}"' for kind, name in source.keys.items())
            parts.append(f"keys = {{{names}}}")
        if self.needs_time_zone:
            parts.append("timezone = the zone of the server's clock")
        return ", ".join(f"`{part}`" for part in parts)


def detect_format(path: Path, lines: Sequence[Line], latest: int) -> DetectedFormat | None:
    """The settings that read the most searches of some lines of a log; None where none reads any.

    A search after ``latest`` (ms UTC) is from the future. Of settings that read as many, the
    simplest are given. Stamps without a zone are read as UTC, which `needs_time_zone` tells.
    """
    lines = lines[-TRIED_LINES:]
    best: DetectedFormat | None = None
    for source in _candidates(path, lines):
        sample = read_sample(lines, reader_without_lexicon(source), latest)
        most = best.sample.searches if best else 0
        if sample.searches > max(most, sample.rejections):
            best = DetectedFormat(source, sample)
    return best


def reader_without_lexicon(source: Source) -> LineReader:
    """A reader for a look at a log without a lexicon: nothing is ever flagged."""
    rule = {"id": "never", "all": ["nothing"]}
    topic = {"groups": {"nothing": ()}, "categories": [rule]}
    empty = Lexicon.model_validate({"topics": {"none": topic}})
    return line_reader(source, Detector(empty))


def _candidates(path: Path, lines: Sequence[Line]) -> Iterator[Source]:
    wrappers: list[WrapperName | None] = [None, *WRAPPERS]
    for wrapper in wrappers:
        texts = [line for _, line in lines[-JSON_LINES:]]
        if wrapper is not None:
            pieces = [unwrap(WRAPPERS[wrapper], text) for text in texts]
            texts = [piece.text for piece in pieces if piece is not None]
            if not texts:
                continue
        for format_name in FORMATS:
            keys = _json_keys(texts) if format_name == "jsonl" else {}
            for timezone in (None, "UTC"):
                yield Source.model_validate(
                    {
                        "path": path, "format": format_name, "wrapper": wrapper, "keys": keys,
                        "timezone": timezone,
                    }
                )  # fmt: skip


def _json_keys(texts: Sequence[bytes]) -> dict[str, str]:
    """The keys of stamp, address and query in objects whose names are not the usual ones."""
    names_by_kind: dict[str, Counter[str]] = {"ts": Counter(), "ip": Counter(), "query": Counter()}
    for text in texts:
        for name, value in _json_fields(text):
            if (kind := _kind_of_field(name, value)) is not None:
                names_by_kind[kind][name] += 1
    if any(not names for names in names_by_kind.values()):
        return {}
    likeliest = {kind: names.most_common(1)[0][0] for kind, names in names_by_kind.items()}
    return {} if all(kind == name for kind, name in likeliest.items()) else likeliest


def _json_fields(text: bytes) -> list[tuple[str, str]]:
    """Names, with dots where they reach inside, and texts or numbers of one object."""
    try:
        objects = [("", json.loads(text))]
    except (ValueError, RecursionError):
        return []
    fields = []
    while objects:
        prefix, value = objects.pop()
        if isinstance(value, dict):
            objects += [(f"{prefix}.{name}".lstrip("."), inner) for name, inner in value.items()]
        elif isinstance(value, str | int | float) and prefix:
            fields.append((prefix, str(value)))
    return fields


def _kind_of_field(name: str, value: str) -> str | None:
    """Tell whether a field is a stamp, an address or a query; None where it is none of them."""
    if name.rpartition(".")[2].lower() in QUERY_KEYS:
        return "query"
    try:
        ipaddress.ip_address(value)
    except ValueError:
        stamp = TimestampParser(ZoneInfo("UTC")).read(value.encode("utf-8", "replace"))
        plausible = isinstance(stamp, Timestamp) and len(value) >= len("1260000000")
        return "ts" if plausible else None
    return "ip"
