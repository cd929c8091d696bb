"""Limits of the web server's connections, kept when a connection is accepted."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

log = logging.getLogger("donkeywatch")

MAX_CONNECTIONS = 512
"""Connections at once, however many descriptors there are."""
ANSWER_THREADS = 40
"""Requests that are worked on at once: the number of AnyIO's threads."""
DESCRIPTORS_PER_ANSWER = 3
"""A snapshot of the database opens its file, its log and the index of that."""
MIN_BUSY_SECONDS = 60.0
"""A request that has taken longer may be ended to make room for another connection."""
MAX_LEAVING = 32
"""Connections that may wait to be closed before another one is accepted."""
UNREAD_MILLISECONDS = 30_000
"""A client that reads nothing for so long is disconnected by the system."""
FULL_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 10\r\n"
    b"content-length: 0\r\n\r\n"
)

Peer = tuple[Any, ...]
"""Address and port of the other end, which tell one connection from another."""


def max_connections() -> int:
    """Connections that leave half of this process's descriptors to the logs and the database."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    share = descriptors // 2
    answers = ANSWER_THREADS * DESCRIPTORS_PER_ANSWER
    # Where there are few, each connection may need those of an answer as well.
    with_answers = share // (1 + DESCRIPTORS_PER_ANSWER)
    return max(1, min(MAX_CONNECTIONS, max(with_answers, share - answers)))


def client_of(address: str) -> str:
    """Give the client of an address: IPv4 as it is, of IPv6 the /64 that one customer has."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


class ClientConnection(socket.socket):
    """An accepted connection, which tells its owner when it is closed."""

    def __init__(
        self, accepted: socket.socket, peer: Peer, released: Callable[[ClientConnection], None]
    ) -> None:
        family, kind, protocol = accepted.family, accepted.type, accepted.proto
        super().__init__(family, kind, protocol, fileno=accepted.detach())
        self.peer, self.client = peer, client_of(str(peer[0]))
        self.since = time.monotonic()
        """When it was accepted, or when its last request began or was answered."""
        self.abort: Callable[[], None] = self._shut
        self._released = released

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)  # The event loop sees the end and closes it.

    def close(self) -> None:
        """Close it and give its place back."""
        super().close()
        self._released(self)


class Connections:
    """All open connections of one server; used by its event loop alone.

    Where there are too many, the one that has waited longest without a request is closed for the
    new one: whoever asks at once is answered, however many others only hold a connection.
    """

    def __init__(self, limit: int, *, plain: bool) -> None:
        self.limit = limit
        self.client_limit = max(1, limit // 2)
        self._plain = plain
        # Both in the order of `since`.
        self._idle: dict[Peer, ClientConnection] = {}
        self._busy: dict[Peer, ClientConnection] = {}
        self._leaving: set[ClientConnection] = set()
        self._of_client: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._idle) + len(self._busy)

    @property
    def is_full(self) -> bool:
        """So many wait to be closed that nothing is to be accepted before they are."""
        return len(self._leaving) >= MAX_LEAVING

    def add(self, accepted: socket.socket, peer: Peer) -> ClientConnection | None:
        """Take a new connection; None, and it is closed, where no other one may be closed."""
        connection = ClientConnection(accepted, peer, self._release)
        former = self._idle.get(peer) or self._busy.get(peer)
        if former is not None:
            self._forget(former)  # Its end has not been noticed yet.
        has_too_many = self._of_client[connection.client] >= self.client_limit
        if has_too_many or len(self) >= self.limit:
            log.warning(
                "http: more than %d connections, or %d of one client; idle ones are closed first",
                self.limit, self.client_limit,
            )  # fmt: skip
            largest = max(self._of_client, key=self._of_client.__getitem__)
            victim = self._find_victim(connection.client if has_too_many else largest)
            if victim is None:
                self._send_refusal(connection)
                connection.close()
                return None
            self._evict(victim)
        self._idle[peer] = connection
        self._of_client[connection.client] += 1
        return connection

    def attach(self, peer: Peer, abort: Callable[[], None]) -> None:
        """From now on this closes the connection."""
        if peer in self._idle:
            self._idle[peer].abort = abort

    def mark(self, peer: Peer, *, busy: bool) -> None:
        """A request of this connection has begun, or was answered."""
        old, new = (self._idle, self._busy) if busy else (self._busy, self._idle)
        connection = old.pop(peer, None)
        if connection is not None:
            connection.since = time.monotonic()
            new[peer] = connection

    def _find_victim(self, client: str) -> ClientConnection | None:
        """The connection of a client to close first; None where all its requests are young."""
        idle = next((c for c in self._idle.values() if c.client == client), None)
        if idle is not None:
            return idle
        oldest = next((c for c in self._busy.values() if c.client == client), None)
        if oldest is not None and time.monotonic() - oldest.since >= MIN_BUSY_SECONDS:
            return oldest
        return None

    def _evict(self, victim: ClientConnection) -> None:
        if self._idle.get(victim.peer) is victim:
            self._send_refusal(victim)
        self._forget(victim)
        self._leaving.add(victim)
        victim.abort()

    def _send_refusal(self, connection: ClientConnection) -> None:
        if self._plain:
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.send(FULL_ANSWER)

    def _release(self, connection: ClientConnection) -> None:
        self._leaving.discard(connection)
        self._forget(connection)

    def _forget(self, connection: ClientConnection) -> None:
        for state in (self._idle, self._busy):
            if state.get(connection.peer) is connection:
                del state[connection.peer]
                self._of_client[connection.client] -= 1
                if not self._of_client[connection.client]:
                    del self._of_client[connection.client]


class LimitedListener(socket.socket):
    """A listening socket that accepts what `Connections` takes."""

    def __init__(self, bound: socket.socket, connections: Connections) -> None:
        super().__init__(bound.family, bound.type, bound.proto, fileno=bound.detach())
        self._connections = connections
        # What is accepted inherits it; a full window counts as well (tcp(7)).
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)

    def accept(self) -> tuple[ClientConnection, Peer]:
        """The next connection that is taken; BlockingIOError where none is to be accepted now."""
        for _ in range(MAX_LEAVING):
            if self._connections.is_full:
                break
            accepted, peer = super().accept()
            connection = self._connections.add(accepted, peer)
            if connection is not None:
                return connection, peer
        raise BlockingIOError  # The event loop comes back as soon as it has done the rest.
