"""Texts that may be links to files or to relatives of a file, which have no words."""

from __future__ import annotations

import numpy as np

from donkeywatch.ingest.columns import MASKS, Mask, Offsets, word
from donkeywatch.ingest.fields import Fields
from donkeywatch.ingest.sieve import LETTER
from donkeywatch.sources.wrappers import BYTE_ORDER_MARK

STEPS = 8
"""Spaces, quotes and marks before a text that are skipped before it is looked at."""
_ODD = np.zeros(256, bool)
_ODD[list(b"\t\n\v\f\r \"'")] = True
"""Before these a search for relatives may stand, and before a byte order mark."""
_MARK = word(BYTE_ORDER_MARK)
_FRONT = _ODD.copy()
_FRONT[BYTE_ORDER_MARK[0]] = True
_COLON = np.zeros(256, np.int64)
_COLON[list(b"rR")], _COLON[list(b"eE")] = len(b"related:") - 1, len(b"ed2k:") - 1
"""Where a colon stands in ``related::`` and ``ed2k::``, by their first letter."""
SURE = LETTER & (_COLON == 0) & (np.arange(256) < 0x80)
"""A text that begins so has a word and is no link."""


def perhaps_link(fields: Fields, start: Offsets) -> Mask:
    """Texts, by where they begin, that the line reader may take for a link."""
    data, words = fields.data, fields.words
    start = start.copy()
    front = np.flatnonzero(_FRONT[data[start]])
    for _ in range(STEPS):
        at = start[front]
        marked = words[at] & MASKS[3] == _MARK
        skipped = marked | _ODD[data[at]]
        front = front[skipped]
        if not len(front):
            break
        start[front] += np.where(marked[skipped], len(BYTE_ORDER_MARK), 1)
    colon = _COLON[data[start]]
    link: Mask = (colon > 0) & (data[start + colon] == ord(":"))
    link[front] = True
    return link
