"""A cache of the text (JSON, CSV) of closed windows; only one that changed is written again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from isal import isal_zlib

from donkeywatch.publish.snapshot import BlockState, Snapshot
from donkeywatch.publish.window_views import WindowView

MAX_CACHED_BYTES = 32 << 20
"""Compressed texts that are remembered: all hours of three years take 16 MB as JSON and CSV."""
LEVEL = 1
"""Of compression, which takes a tenth of the time of writing the text."""


class ClosedWindowCache:
    """Gives the text of windows block by block; those of closed blocks are remembered."""

    def __init__(self) -> None:
        self._texts: OrderedDict[object, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def write(
        self,
        snapshot: Snapshot,
        kind: str,
        blocks: Sequence[BlockState],
        form: object,
        write: Callable[[Sequence[WindowView]], bytes],
    ) -> Iterator[bytes]:
        """Give the text of each block, while the snapshot is open.

        ``form`` says what ``write`` makes of windows: texts of one form are the same for the same
        windows.
        """
        for block in blocks:
            key = form, kind, block, repr(snapshot.view_state)
            text = self._cached(key)
            if text is None:
                text = write(snapshot.windows_between(kind, block.start, block.end))
                if block.is_closed:
                    self._remember(key, text)
            yield text

    def _cached(self, key: object) -> bytes | None:
        with self._lock:
            packed = self._texts.get(key)
            if packed is None:
                return None
            self._texts.move_to_end(key)
        return isal_zlib.decompress(packed)

    def _remember(self, key: object, text: bytes) -> None:
        packed = isal_zlib.compress(text, LEVEL)
        with self._lock:
            self._size += len(packed) - len(self._texts.pop(key, b""))
            self._texts[key] = packed
            while self._size > MAX_CACHED_BYTES:
                self._size -= len(self._texts.popitem(last=False)[1])
