"""XE: all that clients of both listeners can do, at once; the log is followed all the same."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from conformance.cases import Begun, Make
from conformance.readers import Daemon
from conformance.site import Case

TOKEN = "zqorvtoken"
CONNECTIONS = 10_000
HELD = 2_000
"""Connections of the attackers that stay open; older ones are closed."""
STREAMS = 200
MAX_LAG_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
"""An honest client waits behind what has come before it, and is answered."""
MAX_GROWTH_KB = 50_000
"""Resident memory that all of it may cost."""
HEAD = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
ATTACKS = (
    b"",
    b"GET / HTTP/1.1\r\nHost:",
    HEAD % (b"/", b"zqwrong") + b"\r\n",
    HEAD % (b"/api/v1/hours?limit=30000", TOKEN.encode()) + b"\r\n",
    HEAD % (b"/", TOKEN.encode()) + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    HEAD % (b"/", TOKEN.encode()) + b"X: y\r\n" * 500 + b"\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + b"z" * 10_000,
    b"\x16\x03\x01\x00\xa5\x01\x00\x00" * 20,
    b"\xff\xfe\x00" * 300,
    b"GET /../../etc HTTP/9.9\r\n\r\n",
)
"""What is sent on a connection: nothing, half a head, wrong, large and malformed requests."""


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may hold all the connections of the test."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = HELD + STREAMS + 500
    if limits[0] < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(limits[1], needed)))
        except (OSError, ValueError):
            pytest.skip("this process may not have enough open files")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Attack:
    """Connections that are opened as fast as they are taken, from other addresses than ours."""

    def __init__(self, ports: list[int]) -> None:
        self.ports, self.opened = cycle(ports), 0
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, name="attack")

    def __enter__(self) -> Attack:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the last one, and close them all."""
        self._thread.join()
        for each in self._held:
            each.close()

    @property
    def is_over(self) -> bool:
        """All connections were made."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        for data in cycle(ATTACKS):
            if self.opened == CONNECTIONS:
                return
            self.opened += 1
            made = socket.socket()
            made.settimeout(2)
            with suppress(OSError):
                made.bind((f"127.0.{self.opened % 5 + 1}.9", 0))
                made.connect(("127.0.0.1", next(self.ports)))
                made.sendall(data)
            self._held.append(made)
            if len(self._held) > HELD:
                self._held.pop(0).close()


def memory_kb(daemon: Daemon) -> int:
    """Resident memory of a daemon."""
    text = Path(f"/proc/{daemon.pid}/status").read_text("ascii")
    return int(text.partition("VmRSS:")[2].split()[0])


def open_streams(port: int) -> list[socket.socket]:
    """Streams of events, from as many clients as there may be."""
    streams = []
    for number in range(STREAMS):
        made = socket.socket()
        made.bind((f"127.1.{number}.1", 0))
        made.settimeout(5)
        with suppress(OSError):
            made.connect(("127.0.0.1", port))
            made.sendall(HEAD % (b"/api/v1/events", TOKEN.encode()) + b"\r\n")
        streams.append(made)
    return streams


@pytest.mark.scenario("XE1")
def test_all_attacks_at_once_on_both_listeners(
    daemon: Make, begun: Begun, many_files: None
) -> None:
    """Lines are counted within seconds, memory stays, and others are answered at both addresses."""
    reader = daemon(Case())
    lines = f'port = 0\ntoken = "{TOKEN}"\n\n[release]\nport = 0'
    reader.settings.chmod(0o600)
    reader, site = begun(Case(), lambda text: text.replace("port = 0", lines), reader)
    reader.until(lambda: reader.log_text().count("listening on") == 2)
    urls = [part.split()[0] for part in reader.log_text().split("listening on ")[1:]]
    ports = [int(url.rpartition(":")[2]) for url in urls]
    with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as honest:
        headers = {"Authorization": f"Bearer {TOKEN}", "Connection": "close"}

        def answers() -> set[int]:
            return {
                honest.get(f"{url}{path}", headers=headers).status_code
                for url, path in ((urls[0], "/metrics"), (urls[1], "/api/v1/weeks"))
            }

        assert answers() == {200}
        before, lags = memory_kb(reader), []
        streams = open_streams(ports[0])
        with ExitStack() as held, Attack(ports) as attack:
            for stream in streams:
                held.enter_context(stream)
            while not attack.is_over:
                site.write(10)
                began = time.monotonic()
                reader.until(lambda: reader.tally().total >= site.written)
                lags.append(time.monotonic() - began)
                assert answers() == {200}
            growth = memory_kb(reader) - before
    assert attack.opened == CONNECTIONS
    assert max(lags) < MAX_LAG_SECONDS, f"{len(lags)} looks, the slowest {max(lags):.1f} s"
    assert growth < MAX_GROWTH_KB, f"{growth} KB"
    assert site.outcome() == (0, 0)
    reader.stop()
