"""Limits of connections: how many, of whom, and which one is closed for another."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest

from donkeywatch.publish.http import connections as module
from donkeywatch.publish.http.connections import (
    FULL_ANSWER,
    MAX_CONNECTIONS,
    ClientConnection,
    Connections,
    LimitedListener,
    client_of,
    max_connections,
)

ONE, OTHER = "192.0.2.1", "192.0.2.2"


class Ends:
    """Accepted connections of chosen addresses, and their clients' ends."""

    def __init__(self, limit: int, *, plain: bool = True) -> None:
        self.all = Connections(limit, plain=plain)
        self._ports = iter(range(1, 1_000))
        self._pairs: list[tuple[socket.socket, ClientConnection | None]] = []

    def add(self, address: str, port: int = 0) -> ClientConnection | None:
        """A new connection of an address."""
        accepted, client = socket.socketpair()
        added = self.all.add(accepted, (address, port or next(self._ports)))
        self._pairs.append((client, added))
        return added

    def filled(self, *addresses: str) -> list[ClientConnection]:
        """Connections that all are taken."""
        added = [self.add(address) for address in addresses]
        assert None not in added
        return [connection for connection in added if connection is not None]

    def answer_for(self, connection: ClientConnection | None) -> bytes | None:
        """What its client reads; None where the connection is open."""
        client = next(end for end, added in self._pairs if added is connection)
        client.setblocking(False)
        try:
            return client.recv(1_000)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Close all."""
        for client, added in self._pairs:
            client.close()
            if added is not None:
                added.close()


@pytest.fixture
def ends() -> Iterator[type[Ends]]:
    """Makes ends that are closed after the test."""
    made: list[Ends] = []

    class Kept(Ends):
        def __init__(self, limit: int, *, plain: bool = True) -> None:
            super().__init__(limit, plain=plain)
            made.append(self)

    yield Kept
    for item in made:
        item.close()


def test_the_longest_idle_of_the_greedy_client_goes(ends: type[Ends]) -> None:
    """Half of the places are one client's; its next connection takes that of its oldest."""
    kept = ends(4)
    first, second = kept.filled(ONE, ONE)
    (other,) = kept.filled(OTHER)
    (third,) = kept.filled(ONE)
    assert kept.answer_for(first) == FULL_ANSWER
    assert [kept.answer_for(c) for c in (second, other, third)] == [None] * 3


def test_a_full_server_closes_one_of_who_has_most(ends: type[Ends]) -> None:
    """A client that has none yet gets in."""
    kept = ends(4)
    first, *_ = kept.filled("192.0.2.3", "192.0.2.3", OTHER, "192.0.2.4")
    (newest,) = kept.filled(ONE)
    assert kept.answer_for(first) == FULL_ANSWER
    assert kept.answer_for(newest) is None
    assert len(kept.all) == 4


def test_a_request_at_work_is_not_ended_for_another_connection(ends: type[Ends]) -> None:
    """Idle ones go first; where all are at work, the new one is refused."""
    kept = ends(4)
    first, second = kept.filled(ONE, ONE)
    kept.all.mark(first.peer, busy=True)
    (third,) = kept.filled(ONE)
    assert (kept.answer_for(first), kept.answer_for(second)) == (None, FULL_ANSWER)
    kept.all.mark(third.peer, busy=True)
    assert kept.add(ONE) is None
    assert kept.answer_for(None) == FULL_ANSWER
    kept.all.mark(first.peer, busy=False)
    assert kept.add(ONE) is not None
    assert kept.answer_for(first) == FULL_ANSWER


def test_a_request_that_takes_very_long_may_be_ended(
    ends: type[Ends], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cut off without a word, since it may be in the middle of an answer."""
    monkeypatch.setattr(module, "MIN_BUSY_SECONDS", 0)
    kept = ends(2)
    (first,) = kept.filled(ONE)
    kept.all.mark(first.peer, busy=True)
    assert kept.add(ONE) is not None
    assert kept.answer_for(first) == b""


def test_a_closed_connection_gives_its_place_back(ends: type[Ends]) -> None:
    """Also one that was to be closed anyway, and one whose end comes late, under a used address."""
    kept = ends(4)
    first, second = kept.filled(ONE, ONE)
    first.close()
    (third,) = kept.filled(ONE)
    assert kept.answer_for(second) is None
    again = kept.add(ONE, third.peer[1])
    assert again is not None
    third.close()
    assert len(kept.all) == 2
    again.close()
    second.close()
    assert len(kept.all) == 0


def test_nothing_in_plain_text_is_said_under_tls(ends: type[Ends]) -> None:
    """The connection just ends."""
    kept = ends(2, plain=False)
    (first,) = kept.filled(ONE)
    kept.filled(ONE)
    assert kept.answer_for(first) == b""


def test_a_flood_waits_until_the_closed_ones_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is accepted than may wait to be closed, so that descriptors are bounded."""
    monkeypatch.setattr(module, "MAX_LEAVING", 3)
    bound = socket.create_server(("127.0.0.1", 0), backlog=50)
    limited = Connections(2, plain=True)
    with LimitedListener(bound, limited) as listener:
        listener.setblocking(False)
        port = listener.getsockname()
        clients = [socket.create_connection(port) for _ in range(10)]
        taken = [listener.accept()[0] for _ in range(4)]
        with pytest.raises(BlockingIOError):
            listener.accept()
        for connection in taken[:3]:
            connection.close()
        taken.append(listener.accept()[0])
        for end in (*clients, *taken):
            end.close()


@pytest.mark.parametrize("limit", [8, 14, 64, 256, 1024, 4096, 1 << 20, resource.RLIM_INFINITY])
def test_half_of_the_descriptors_are_not_the_servers(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections and what their answers open fit into the other half."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (limit, limit))
    result = max_connections()
    assert 1 <= result <= MAX_CONNECTIONS
    if limit not in (resource.RLIM_INFINITY, 8):
        assert result + 3 * min(result, 40) <= limit // 2 + 3
    if limit in (4096, resource.RLIM_INFINITY):
        assert result == MAX_CONNECTIONS


@pytest.mark.parametrize(
    ("first", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%lo", "fe80::2", True),
        ("", "192.0.2.1", False),
    ],
)
def test_who_is_one_client(first: str, other: str, same: bool) -> None:
    """An IPv4 address, however it is written, and an IPv6 /64."""
    assert (client_of(first) == client_of(other)) is same
