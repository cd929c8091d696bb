"""A quick test by columns for texts that may be file links, which have no words."""

from __future__ import annotations

import numpy as np

from donkeywatch.ingest.aligned_fields import PackedFields
from donkeywatch.ingest.byte_columns import MASKS, Mask, Offsets, pack_word
from donkeywatch.ingest.word_search import WORD_BYTE
from donkeywatch.sources.wrappers import BYTE_ORDER_MARK

MAX_SKIPPED = 8
"""Spaces, quotes and marks before a text that are skipped before it is looked at."""
_SKIPPABLE = np.zeros(256, bool)
_SKIPPABLE[list(b"\t\n\v\f\r \"'")] = True
"""Before these a search for relatives may stand, and before a byte order mark."""
_MARK = pack_word(BYTE_ORDER_MARK)
_LEADING = _SKIPPABLE.copy()
_LEADING[BYTE_ORDER_MARK[0]] = True
_COLON = np.zeros(256, np.int64)
_COLON[list(b"rR")], _COLON[list(b"eE")] = len(b"related:") - 1, len(b"ed2k:") - 1
"""Where a colon stands in ``related::`` and ``ed2k::``, by their first letter."""
NEVER_LINK = WORD_BYTE & (_COLON == 0) & (np.arange(256) < 0x80)
"""A text that begins so has a word and is no link."""


def maybe_link(fields: PackedFields, start: Offsets) -> Mask:
    """Texts, by where they begin, that the line reader may take for a link."""
    data, words = fields.data, fields.words
    start = start.copy()
    front = np.flatnonzero(_LEADING[data[start]])
    for _ in range(MAX_SKIPPED):
        at = start[front]
        marked = words[at] & MASKS[3] == _MARK
        skipped = marked | _SKIPPABLE[data[at]]
        front = front[skipped]
        if not len(front):
            break
        start[front] += np.where(marked[skipped], len(BYTE_ORDER_MARK), 1)
    colon = _COLON[data[start]]
    link: Mask = (colon > 0) & (data[start + colon] == ord(":"))
    link[front] = True
    return link
