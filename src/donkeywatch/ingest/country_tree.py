"""The search tree of a database in MaxMind's format (version 2.0), all of it at once.

Asking such a database for its networks one by one takes a minute where there are a million.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

BITS = 32
MAX_NODE_REUSE = 4
"""How often a subtree may be used again, on average, in a database that is no riddle."""


def ipv4_leaves(raw: bytes, nodes: int, record_bits: int, version: int) -> tuple[Numbers, Numbers]:
    """First address of each IPv4 network, in rising order, and the number of its record.

    The record ``nodes`` is none. ValueError where the tree has no end.
    """
    tree = _tree(raw, nodes, record_bits)
    root = 0
    for _ in range(96 if version == 6 else 0):
        root = int(tree[root, 0]) if root < nodes else root
    if root >= nodes:
        return np.zeros(1, np.int64), np.array([root], np.int64)
    inner_nodes, first = np.array([root]), np.zeros(1, np.int64)
    starts, records = [], []
    count = 0
    for bit in reversed(range(BITS)):
        child = tree[inner_nodes].ravel()
        begin = np.stack((first, first + (1 << bit)), axis=1).ravel()
        leaf = child >= nodes
        starts.append(begin[leaf])
        records.append(child[leaf])
        inner_nodes, first = child[~leaf], begin[~leaf]
        count += len(inner_nodes)
        if count > MAX_NODE_REUSE * nodes:
            raise ValueError("a tree with circles")
    # A path of 32 bits that does not end leads nowhere.
    starts.append(first)
    records.append(np.full(len(inner_nodes), nodes))
    start, record = np.concatenate(starts), np.concatenate(records)
    order = np.argsort(start)
    return start[order], record[order]


def _tree(raw: bytes, nodes: int, record_bits: int) -> Numbers:
    """Left and right record of each node."""
    width = record_bits // 4
    if record_bits not in (24, 28, 32) or len(raw) < nodes * width:
        raise ValueError("not a search tree")
    data = np.frombuffer(raw, np.uint8, nodes * width).reshape(nodes, width).astype(np.int64)
    half = width // 2
    left, right = data[:, :half], data[:, width - half :]
    tree = np.stack([_big_endian(left), _big_endian(right)], axis=1)
    if record_bits == 28:
        tree[:, 0] |= (data[:, 3] >> 4) << 24
        tree[:, 1] |= (data[:, 3] & 15) << 24
    return tree


def _big_endian(part: Numbers) -> Numbers:
    total = part[:, 0]
    for column in part.T[1:]:
        total = total << 8 | column
    return total
