"""The search tree of a database in MaxMind's format (version 2.0), for many addresses at once.

Asking such a database for its networks one by one takes a minute where there are a million, and
asking it for the addresses one by one takes longer than all else that is done with their lines.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

IPV4_BITS, IPV6_BITS = 32, 128
MAX_NODE_REUSE = 4
"""How often a subtree may be used again, on average, in a database that is no riddle."""


class SearchTree:
    """Leads each address to the number of its record; the record ``nodes`` is none."""

    def __init__(self, raw: bytes, nodes: int, record_bits: int, version: int) -> None:
        """Read a whole file; ValueError where it holds no such tree."""
        width = record_bits // 4
        if record_bits not in (24, 28, 32) or len(raw) < nodes * width:
            raise ValueError("not a search tree")
        self.nodes, self._record_bits, self._version = nodes, record_bits, version
        self._bytes = np.frombuffer(raw, np.uint8, nodes * width).reshape(nodes, width)

    def ipv4_leaves(self) -> tuple[Numbers, Numbers]:
        """First address of each IPv4 network, in rising order, and the number of its record.

        ValueError where the tree has no end.
        """
        tree = np.stack(self._children(self._bytes), axis=1)
        nodes, root = self.nodes, 0
        for _ in range(IPV6_BITS - IPV4_BITS if self._version == 6 else 0):
            root = int(tree[root, 0]) if root < nodes else root
        if root >= nodes:
            return np.zeros(1, np.int64), np.array([root], np.int64)
        inner_nodes, first = np.array([root]), np.zeros(1, np.int64)
        starts, records = [], []
        count = 0
        for bit in reversed(range(IPV4_BITS)):
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

    def ipv6_records(self, addresses: npt.NDArray[np.uint8]) -> Numbers:
        """The number of the record of each of (n, 16) addresses, in network byte order.

        In a tree of IPv4 alone there is none, nor at the end of a path that does not end.
        """
        at = np.full(len(addresses), self.nodes if self._version == 4 else 0, np.int64)
        for bit in range(IPV6_BITS):
            walking = np.flatnonzero(at < self.nodes)
            if not len(walking):
                return at
            left, right = self._children(self._bytes[at[walking]])
            is_right = addresses[walking, bit // 8] >> (7 - bit % 8) & 1
            at[walking] = np.where(is_right, right, left)
        return np.where(at < self.nodes, self.nodes, at)

    def _children(self, nodes: npt.NDArray[np.uint8]) -> tuple[Numbers, Numbers]:
        """Left and right record of each of some nodes, which are rows of bytes."""
        half = nodes.shape[1] // 2
        left, right = _big_endian(nodes[:, :half]), _big_endian(nodes[:, -half:])
        if self._record_bits == 28:
            left |= (nodes[:, 3].astype(np.int64) >> 4) << 24
            right |= (nodes[:, 3].astype(np.int64) & 15) << 24
        return left, right


def _big_endian(part: npt.NDArray[np.uint8]) -> Numbers:
    total = part[:, 0].astype(np.int64)
    for column in part.T[1:]:
        total = total << 8 | column
    return total
