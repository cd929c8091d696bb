"""Clients of the soak's daemons: idle connections by the hundred, deaf ones, event streams."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections import Counter
from collections.abc import Sequence

from soak.torments import Daemon

REQUESTS = {
    "idle": b"",
    "slow": b"GET /metrics HTTP/1.1\r\nHost: 127",
    "deaf": b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 10,
    "streams": b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}
"""What is sent on a connection, by its kind; nothing of the answer is read."""


class Visitors(threading.Thread):
    """Opens crowds of connections to the daemons, holds them for a while, and leaves."""

    def __init__(self, daemons: Sequence[Daemon], rng: random.Random) -> None:
        super().__init__()
        self.stopping = threading.Event()
        self.came: Counter[str] = Counter()
        self._daemons, self._rng = daemons, rng

    def run(self) -> None:
        """One crowd after the other."""
        while not self.stopping.wait(self._rng.uniform(2, 8)):
            daemon = self._rng.choice(self._daemons)
            kind = self._rng.choice(list(REQUESTS))
            with contextlib.ExitStack() as held:
                for _ in range(self._rng.randrange(20, 1_200)):
                    port = daemon.port()
                    if port is None or self.stopping.is_set():
                        break
                    with contextlib.suppress(OSError):  # It is killed meanwhile, or refuses.
                        visitor = held.enter_context(
                            socket.create_connection(("127.0.0.1", port), timeout=2)
                        )
                        self.came[kind] += 1
                        visitor.sendall(REQUESTS[kind])
                self.stopping.wait(self._rng.uniform(0, 3))
