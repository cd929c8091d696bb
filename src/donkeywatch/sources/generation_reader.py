"""Reading the next whole lines of a generation, and the fingerprint behind them."""

from __future__ import annotations

from dataclasses import replace

from donkeywatch.sources.container_split_lines import cut_records
from donkeywatch.sources.file_kinds import KIND_BYTES, refusal
from donkeywatch.sources.fingerprints import (
    HEAD,
    TAIL,
    Fingerprint,
    FingerprintKeys,
    current_key,
    keyed_hash,
    same_head,
)
from donkeywatch.sources.generation import Generation
from donkeywatch.sources.line_blocks import LineBlock
from donkeywatch.sources.log_file import (
    CompressedFile,
    ContentChangedError,
    DamagedArchiveError,
    File,
    NotText,
)
from donkeywatch.sources.wrappers import Wrapper


def read_lines(
    generation: Generation,
    keys: FingerprintKeys,
    max_line_bytes: int,
    block_bytes: int,
    *,
    final: bool,
    wrapper: Wrapper | None = None,
) -> LineBlock | None:
    """Read the next whole lines of about ``block_bytes``; None when there are none.

    Nothing follows the last line of a ``final`` file. ContentChangedError when the content is not
    that of the generation, NotText when it is no text. Of a damaged archive come the whole lines
    before the damage, and then DamagedArchiveError.
    """
    file, mark = generation.file, generation.fingerprint
    if file is None:
        return None
    if not isinstance(file, CompressedFile):  # Archives are never written in place.
        _check_head(file, mark, keys)
    read_bytes = max(block_bytes, 2 * max_line_bytes)
    start = mark.offset - mark.tail_length
    damage: DamagedArchiveError | None = None
    try:
        buffer = file.read(start, mark.tail_length + read_bytes)
    except DamagedArchiveError as error:
        buffer, damage = file.read_sound(start, mark.tail_length + read_bytes), error
    _check_tail(buffer, mark, keys)
    fresh = len(buffer) - mark.tail_length
    if not mark.offset and refusal(buffer[:KIND_BYTES]):
        raise NotText
    is_final = final and fresh < read_bytes and damage is None
    if damage is None and not fresh and not (is_final and mark.inside_long_line):
        return None
    block = cut_records(
        buffer,
        max_line_bytes,
        wrapper,
        skipping=mark.inside_long_line,
        final=is_final,
        begin=mark.tail_length,
    )
    if block.consumed or block.too_long:
        _advance(generation, file, buffer, block, keys)
        before, generation.end_of_log_before = generation.end_of_log_before, None
        return replace(
            block,
            generation=generation.id,
            compare_until=generation.compared_until,
            beginning=generation.beginnings,
            before=before,
            resumed=generation.is_resumed,
            more_follows=fresh >= read_bytes,
        )
    if damage is not None:
        raise damage
    return None


def _check_head(file: File, mark: Fingerprint, keys: FingerprintKeys) -> None:
    # The bytes before the position are compared in any case: they are there if there are any.
    if not mark.tail_length and (file.size() or 0) < mark.offset:
        raise ContentChangedError
    if mark.head_length and not same_head(file.read(0, mark.head_length), mark, keys):
        raise ContentChangedError


def _check_tail(buffer: bytes, mark: Fingerprint, keys: FingerprintKeys) -> None:
    if mark.tail_length:
        key = keys.key(mark.week)
        if key is None or keyed_hash(buffer[: mark.tail_length], key) != mark.tail_hash:
            raise ContentChangedError


def _advance(
    generation: Generation, file: File, buffer: bytes, block: LineBlock, keys: FingerprintKeys
) -> None:
    mark = generation.fingerprint
    week, key = mark.week, keys.key(mark.week)
    if key is None or not mark.offset or not mark.head_length:
        week, key = current_key(keys)
    offset = mark.offset + block.consumed
    stop = mark.tail_length + block.consumed
    tail = buffer[max(0, stop - TAIL) : stop]
    head_length, head_hash = mark.head_length, mark.head_hash
    if not mark.offset:
        head_length = min(stop, HEAD)
        head_hash = keyed_hash(buffer[:head_length], key)
    elif 0 < head_length < HEAD:
        head = file.read(0, min(offset, HEAD))
        head_length, head_hash = len(head), keyed_hash(head, key)
    generation.fingerprint = Fingerprint(
        offset,
        block.inside_long_line,
        head_length,
        head_hash,
        len(tail),
        keyed_hash(tail, key),
        week,
    )
    generation.size = max(generation.size, offset)
