"""Renews stored fingerprints whose key is lost, by length and last stamp of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from donkeywatch.errors import SourceError
from donkeywatch.sources.fingerprints import FingerprintKeys, content_length, fingerprint_at
from donkeywatch.sources.log_file import DamagedArchiveError, File, open_file
from donkeywatch.sources.log_paths import LogPaths
from donkeywatch.sources.positions import GenerationPosition

BACK = 1 << 20
"""Bytes before the offset in which the newest counted stamp must stand."""


def adopt(
    log: LogPaths,
    positions: Sequence[GenerationPosition],
    keys: FingerprintKeys,
    newest: int | None,
    newest_in: Callable[[bytes], int | None],
) -> list[GenerationPosition]:
    """The positions of a log with fingerprints made anew, from the files that hold them.

    For when the key of the fingerprints is lost. The log and the files rotated away from it are
    looked at: the one that goes on has a line end at the offset and ``newest`` (ms UTC) among the
    stamps before it, which ``newest_in`` tells of some lines; one that was read out is as long as
    its offset. A position that no file holds stays as it is.
    """
    left = sorted(positions, key=lambda position: position.id, reverse=True)
    adopted: dict[int, GenerationPosition] = {}
    for file in _files(log):
        try:
            size = content_length(file)
            for position in left:
                if _holds(file, size, position, newest, newest_in):
                    adopted[position.id] = _renewed(position, file, keys)
                    left.remove(position)
                    break
        except (OSError, DamagedArchiveError):
            continue
        finally:
            file.close()
    return [adopted.get(position.id, position) for position in positions]


def _files(log: LogPaths) -> Iterator[File]:
    paths: list[Path] = [log.path, *(path for path, _ in log.rotated_files())]
    for path in paths:
        try:
            yield open_file(path)
        except (OSError, SourceError):
            continue


def _holds(
    file: File,
    size: int,
    position: GenerationPosition,
    newest: int | None,
    newest_in: Callable[[bytes], int | None],
) -> bool:
    offset = position.offset
    if not offset or size < offset:
        return False
    if size == offset:
        return True
    before = file.read(max(0, offset - BACK), min(offset, BACK))
    whole = position.skipping or before.endswith(b"\n")
    return whole and newest is not None and newest_in(before) == newest


def _renewed(position: GenerationPosition, file: File, keys: FingerprintKeys) -> GenerationPosition:
    mark = fingerprint_at(file, position.offset, keys, skipping=position.skipping)
    return replace(
        position,
        head_length=mark.head_length,
        head_hash=mark.head_hash,
        tail_length=mark.tail_length,
        tail_hash=mark.tail_hash,
        week=mark.week,
    )
