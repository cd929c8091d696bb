"""Rejoins lines of the server that a container engine has split into pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from donkeywatch.sources.line_blocks import LineBlock, split_lines
from donkeywatch.sources.wrappers import Piece, Wrapper, unwrap


@dataclass(slots=True)
class _Open:
    """A line of the server whose last piece is not there yet."""

    stream: bytes
    start: int
    """Where its first piece begins in the buffer."""
    last: int
    """Where its newest piece begins."""


def cut_records(
    buffer: bytes,
    limit: int,
    wrapper: Wrapper | None,
    *,
    skipping: bool,
    final: bool,
    begin: int = 0,
) -> LineBlock:
    """Cut lines off a buffer like `split_lines`, but no line of the server without its last piece.

    The buffer is cut before the first piece of the oldest line that is not complete: whatever
    begins behind that place is read again, so that one position in bytes is enough. Where ``limit``
    bytes of the file hold no place between two lines of the server, the oldest one there is too
    long: all is dropped up to its last piece, or up to where ``limit`` bytes hold none of its
    pieces. While that goes on, ``skipping`` is true and the buffer begins with a piece of it. A
    line of the file that is too long is skipped as well; the buffer then begins within it.
    """
    if wrapper is None or not wrapper.splits:
        return split_lines(buffer, limit, skipping=skipping, final=final, line_start=begin)
    inside = skipping and buffer[max(0, begin - 1) : begin] in (b"", b"\n")
    block = split_lines(
        buffer, limit, skipping=skipping and not inside, final=final, line_start=begin
    )
    end = len(buffer) if final else max(begin, buffer.rfind(b"\n", begin) + 1)
    cutter = _Cutter(buffer, limit, wrapper, block, end, begin, final=final)
    return cutter.skip_first() if inside else cutter.cut(end - len(block.data))


class _Cutter:
    """One buffer; its whole lines end at ``end``, and ``block`` is what they are by themselves."""

    def __init__(
        self,
        buffer: bytes,
        limit: int,
        wrapper: Wrapper,
        block: LineBlock,
        end: int,
        begin: int,
        *,
        final: bool,
    ) -> None:
        self._buffer, self._limit, self._wrapper = buffer, limit, wrapper
        self._block, self._end, self._begin, self._final = block, end, begin, final

    def cut(self, start: int) -> LineBlock:
        """The whole records from ``start`` on."""
        opened: dict[bytes, _Open] = {}
        between = start
        for at, stop, piece in self._pieces(start):
            between = between if opened else at
            if piece is not None and piece.stream in opened:
                opened[piece.stream].last = at
            if (oldest := self._oldest(opened)) and stop - between > self._limit:
                return self._skip(oldest, start, between)
            if piece is not None and piece.ends:
                opened.pop(piece.stream, None)
            elif piece is not None:
                opened.setdefault(piece.stream, _Open(piece.stream, at, at))
        oldest = self._oldest(opened)
        if oldest is None:
            return self._block
        if len(self._buffer) - between > self._limit:
            return self._skip(oldest, start, between)
        if self._final:
            return self._block
        return self._until(start, between, between, skipping=False)

    def skip_first(self) -> LineBlock:
        """Skip the line of which the first one in the buffer is a piece."""
        _, _, piece = next(self._pieces(self._begin), (0, 0, None))
        begin = self._begin
        return self._skip(_Open(piece.stream if piece else b"", begin, begin), begin, begin)

    def _skip(self, long: _Open, start: int, stop: int) -> LineBlock:
        """Give what stands from ``start`` to ``stop``, and then skip a line that is too long."""
        last = long.last
        for at, line_end, piece in self._pieces(last):
            if piece is not None and piece.stream == long.stream:
                if piece.ends:
                    return self._until(start, stop, line_end, skipping=False, too_long=1)
                last = at
            elif line_end - last > self._limit:
                return self._until(start, stop, at, skipping=False, too_long=1)
        if self._final:
            return self._until(start, stop, len(self._buffer), skipping=False, too_long=1)
        if self._block.inside_long_line:
            return self._until(start, stop, self._end, skipping=False, too_long=1)
        return self._until(start, stop, last, skipping=True)

    def _until(
        self, start: int, stop: int, consumed: int, *, skipping: bool, too_long: int = 0
    ) -> LineBlock:
        data = memoryview(self._buffer)[start:stop]
        too_long += self._block.too_long
        return LineBlock(data, consumed - self._begin, too_long, skipping)

    def _pieces(self, start: int) -> Iterator[tuple[int, int, Piece | None]]:
        """Where each line begins and the next one, and what it holds; None where it is no piece."""
        while start < self._end:
            feed = self._buffer.find(b"\n", start, self._end)
            stop = feed if feed >= 0 else self._end
            too_long = stop - start > self._limit
            yield (
                start,
                stop + 1,
                None if too_long else unwrap(self._wrapper, self._buffer[start:stop]),
            )
            start = stop + 1

    @staticmethod
    def _oldest(opened: dict[bytes, _Open]) -> _Open | None:
        return min(opened.values(), key=lambda record: record.start, default=None)
