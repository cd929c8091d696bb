"""XE, XI: what clients, proxies and pipes do to the daemon, and what they cannot do."""

from __future__ import annotations

import errno
import os
import re
import resource
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from conformance.cases import Begun, Make
from conformance.readers import Daemon, Stepped
from conformance.site import Case, Site
from conformance.test_operation import certify
from donkeywatch.counting.calendar import HOUR, SECOND
from donkeywatch.publish.http.base_middleware import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS
from donkeywatch.sources.file_identification import FileIdentification
from support.log_writer import LogWriter, numbered_address

IDLE = 2_500
SMALL_LOG = 20_000
"""Bytes that a daemon may write about any number of bad connections within one test."""


def address(daemon: Daemon) -> tuple[str, int]:
    """Host and port of a daemon."""
    host, _, port = daemon.url().partition("://")[2].rpartition(":")
    return host, int(port)


@contextmanager
def client(source: str = "127.0.0.1") -> Iterator[httpx.Client]:
    """A client with an address of its own on this machine."""
    transport = httpx.HTTPTransport(local_address=source, verify=False)
    with httpx.Client(transport=transport, timeout=5) as made:
        yield made


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may hold all the connections of a test."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[0] < 2 * IDLE:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (2 * IDLE, max(limits[1], 2 * IDLE)))
        except (OSError, ValueError):
            pytest.skip("this process may not have enough open files")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


# -- XE: descriptors and starvation ---------------------------------------------------------


AT_ONCE = {"connection": "close"}
"""Asks on a connection of its own: a kept one may be closed as idle just when it is used again."""


@pytest.mark.scenario("XE1")
@pytest.mark.parametrize(
    ("sent", "tls"),
    [(b"", False), (b"GET /metrics HTTP/1.1\r\nHost:", False), (b"", True)],
    ids=["silent", "slow", "before the handshake"],
)
def test_idle_connections_at_1024_descriptors(
    daemon: Make,
    begun: Begun,
    need: Callable[[str], str],
    tmp_path: Path,
    many_files: None,
    sent: bytes,
    tls: bool,
) -> None:
    """The log rotates among 2,500 of them: no line is lost, everybody is answered, few words."""
    reader = daemon(Case())
    reader.files = 1024
    lines = "port = 0"
    if tls:
        certify(tmp_path, need("openssl"))
        lines += '\ntls_certificate = "cert.pem"\ntls_key = "key.pem"'
    reader, site = begun(Case(), lambda text: text.replace("port = 0", lines), reader)
    assert reader.pid is not None
    descriptors = Path(f"/proc/{reader.pid}/fd")
    most = 0
    with ExitStack() as held, client() as same, client("127.0.0.2") as other:
        for number in range(IDLE):
            idle = held.enter_context(socket.create_connection(address(reader), timeout=5))
            with suppress(ConnectionError):
                idle.sendall(sent)
            if number % 250 == 249:
                site.write(10)
                site.rename()
                site.write(10)
                most = max(most, len(list(descriptors.iterdir())))
                for asking in (same, other):
                    assert asking.get(f"{reader.url()}/metrics", headers=AT_ONCE).status_code == 200
        site.look()
        assert reader.tally().total == site.written
        assert same.get(f"{reader.url()}/readyz", headers=AT_ONCE).json()["ready"]
    assert most < 700
    assert len(reader.log_text()) < SMALL_LOG
    assert "open files" not in reader.log_text()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("XE1")
def test_connections_that_do_not_read(daemon: Make, begun: Begun, many_files: None) -> None:
    """Clients that ask and read nothing hold their own places only."""
    reader = daemon(Case())
    reader.files = 1024
    reader, site = begun(Case(), reader=reader)
    ask = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20
    with ExitStack() as held, client("127.0.0.2") as other:
        for _ in range(400):
            deaf = held.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.settimeout(5)
            deaf.connect(address(reader))
            with suppress(ConnectionError):
                deaf.sendall(ask)
        site.write(100)
        assert other.get(f"{reader.url()}/healthz").status_code == 200
        site.look()
        assert reader.tally().total == site.written
    assert len(reader.log_text()) < SMALL_LOG
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("XE2")
def test_blind_time_is_a_gap(tmp_path: Path) -> None:
    """Two minutes without descriptors are not covered, though no line is lost."""
    reader = Stepped(tmp_path, Case())
    reader.now += HOUR - reader.now % HOUR  # All of it lies in one hour.
    site = Site(tmp_path, reader, Case())
    reader.start()
    site.write(10)
    site.look()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open(os.devnull, os.O_RDONLY)
    os.close(spare)
    before = reader.now
    site.rename()
    site.write(10)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
    try:
        for _ in range(120):
            reader.tick()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    blind = (reader.now - before) / SECOND
    assert site.outcome() == (0, 0)
    while reader.now < before + 2 * HOUR:
        reader.tick(60 * SECOND)
    reader.stop()
    covered = covered_seconds(reader, before)
    assert covered <= HOUR / SECOND - blind
    assert covered > HOUR / SECOND - blind - 15


@pytest.mark.scenario("XE2")
def test_blind_time_at_the_start_takes_nothing_from_the_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the log then turns out to hold covers the time in which it was written."""
    reader = Stepped(tmp_path, Case())
    noon = reader.now - reader.now % HOUR + HOUR
    log = tmp_path / "logs" / "search.log"
    log.parent.mkdir()
    for minute in range(60):
        time, address = noon + minute * 60 * SECOND, numbered_address(minute + 1)
        LogWriter(log).log_search(time, address, f"zqorv {minute}")
    reader.now = noon + HOUR

    def fail(_finder: FileIdentification, _now: int) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as failing:
        failing.setattr(FileIdentification, "scan", fail)
        reader.start()
        for _ in range(10):
            reader.tick()
    while reader.now < noon + 2 * HOUR:
        reader.tick(60 * SECOND)
    reader.stop()
    assert reader.tally().total == 60
    assert covered_seconds(reader, noon) >= 59 * 60


def covered_seconds(reader: Stepped, time: int) -> float:
    """Seconds that are covered of the hour with a time."""
    db = sqlite3.connect(reader.state / "donkeywatch.db")
    ((covered,),) = db.execute(
        "select covered_seconds from windows where kind = 'hour' and start = ?",
        (time - time % HOUR,),
    ).fetchall()
    db.close()
    return float(covered)


@pytest.mark.scenario("XE3")
def test_event_streams_of_one_client(begun: Begun) -> None:
    """Forty of them: the client itself and another one get figures, and the other one a stream."""
    reader, site = begun(Case())
    url = f"{reader.url()}/api/v1/events"
    with ExitStack() as held, client() as greedy, client("127.0.0.2") as other:
        codes = Counter(
            held.enter_context(greedy.stream("GET", url)).status_code for _ in range(40)
        )
        assert codes[200] == 8
        assert codes[503] == 32
        assert greedy.get(f"{reader.url()}/metrics").status_code == 200
        with other.stream("GET", url) as stream:
            assert next(stream.iter_lines()) == "event: update"
    assert site.outcome() == (0, 0)
    reader.stop()


BAD = (
    b"zqorv\r\n\r\n",
    b"\x16\x03\x01\x02\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"GET /" + b"a" * 70_000,
)


@pytest.mark.scenario("XE4")
def test_bad_requests_are_few_words(begun: Begun) -> None:
    """Five hundred of five kinds: some lines in the log, none with what was sent."""
    reader, site = begun(Case())
    before = len(reader.log_text())
    for _ in range(100):
        for request in BAD:
            answered(reader, request)
    assert len(reader.log_text()) - before < 4_000
    assert "zqorv" not in reader.log_text()
    assert site.outcome() == (0, 0)
    reader.stop()


def answered(daemon: Daemon, request: bytes) -> bytes:
    """The first line of the answer to some bytes; empty where there is none."""
    with socket.create_connection(address(daemon), timeout=5) as sending:
        data = b""
        with suppress(OSError):
            sending.sendall(request)
            while b"\r\n" not in data and (part := sending.recv(65536)):
                data += part
    return data.partition(b"\r\n")[0]


def status(daemon: Daemon, request: bytes) -> int:
    """The status of the answer to some bytes; 0 where there is none."""
    return int((answered(daemon, request).split(b" ") + [b"0"] * 2)[1])


# -- XI: the front door ---------------------------------------------------------------------


@pytest.mark.scenario("XI1")
def test_probes_without_a_name(begun: Begun) -> None:
    """HTTP/1.0 without a host, a proxy's name, HEAD; all else only under a name of ours."""
    names = 'port = 0\nnames = ["monitor.example.org"]'
    reader, _ = begun(Case(), lambda text: text.replace("port = 0", names))
    for path in (b"/healthz", b"/readyz"):
        for request in (
            b"GET %s HTTP/1.0\r\n\r\n",
            b"HEAD %s HTTP/1.0\r\n\r\n",
            b"GET %s HTTP/1.1\r\nHost: donkeywatch\r\nConnection: close\r\n\r\n",
        ):
            assert status(reader, request % path) == 200
    codes = {
        b"127.0.0.1": 200, b"monitor.example.org": 200, b"Monitor.Example.Org:443": 200,
        b"evil.monitor.example.org": 421, b"monitor.example.org.evil": 421, b"rebound": 421,
    }  # fmt: skip
    for name, code in codes.items():
        request = b"GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % name
        assert status(reader, request) == code
    assert status(reader, b"GET /metrics HTTP/1.0\r\n\r\n") == 421
    assert status(reader, b"OPTIONS /healthz HTTP/1.0\r\n\r\n") == 405
    reader.stop()


def head(*headers: bytes, line: bytes = b"GET /healthz HTTP/1.1") -> bytes:
    """A request's head."""
    return b"\r\n".join([line, b"Host: 127.0.0.1", b"Connection: close", *headers, b"", b""])


@pytest.mark.scenario("XI2")
def test_heads_and_bodies_have_limits(begun: Begun) -> None:
    """What the docs name is read, one more is refused, and whole or in pieces makes no odds."""
    reader, site = begun(Case())
    fits = b"X-Long: " + b"a" * (MAX_HEAD_BYTES - 200)
    assert status(reader, head(fits)) == 200
    assert status(reader, head(b"X-Long: " + b"a" * MAX_HEAD_BYTES)) in (400, 431)
    assert status(reader, head(line=b"GET /healthz?" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1")) in (
        400,
        431,
    )
    assert status(reader, head(*[b"X: a"] * (MAX_HEADERS - 2))) == 200
    assert status(reader, head(*[b"X: a"] * (MAX_HEADERS - 1))) == 431
    body = b"a" * MAX_BODY_BYTES
    message = b"Content-Length: %d"
    assert status(reader, head(message % len(body)) + body) == 200
    assert status(reader, head(message % (len(body) + 1)) + body) == 413
    assert status(reader, head(message % 10**18)) == 413
    assert status(reader, head(b"Content-Length: " + b"9" * 5_000)) in (400, 413)
    assert status(reader, head(b"Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n\r\n") == 411
    assert status(reader, head(line=b"POST / HTTP/1.1")) == 405
    assert site.outcome() == (0, 0)
    reader.stop()


def piped(settings: Path, shell: str) -> subprocess.CompletedProcess[str]:
    """A shell command with `$DW`, the program, and `$C`, the settings."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; DW='{sys.executable} -m donkeywatch'; {shell}"],
        env={**os.environ, "C": str(settings)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.scenario("XI3")
@pytest.mark.parametrize("verb", ["status -c $C", "check -c $C", "--help", "verify -c $C"])
def test_output_that_is_closed_or_full(begun: Begun, verb: str) -> None:
    """A reader that has left ends it quietly; a full disk is one message; no output is fine."""
    reader, _ = begun(Case())
    done = piped(reader.settings, f"$DW {verb} | head -1 >/dev/null")
    assert (done.returncode in (0, 141), done.stderr) == (True, "")
    done = piped(reader.settings, f"$DW {verb} | true")
    assert (done.returncode, done.stderr) == (141, "")
    done = piped(reader.settings, f"$DW {verb} > /dev/full")
    assert done.returncode == 1
    assert re.fullmatch(
        r"donkeywatch: the output cannot be written \(No space left on device\)\n"
        r" +remedy: .*\n",
        done.stderr,
    )
    assert (piped(reader.settings, f"$DW {verb} > /dev/null").returncode) == 0
    assert (piped(reader.settings, f"$DW {verb} >&-").returncode) == 0
    reader.stop()


@pytest.mark.scenario("XI3")
def test_a_watch_that_nobody_reads_any_more(begun: Begun) -> None:
    """It shows each look at once in a pipe, too, and ends with its reader."""
    reader, _ = begun(Case())
    done = piped(reader.settings, "$DW status --watch -c $C | head -1")
    assert done.returncode == 141
    assert done.stdout.startswith("no daemon answers")
    assert done.stderr == ""
    reader.stop()


@pytest.mark.scenario("XI3")
def test_an_error_that_cannot_be_told_keeps_its_exit_code(tmp_path: Path) -> None:
    """Standard error full or closed."""
    for where in ("2>/dev/full", "2>&-"):
        assert piped(tmp_path / "none.toml", f"$DW check -c $C {where}").returncode == 7


@pytest.mark.scenario("XI3")
def test_a_daemon_whose_messages_nobody_reads(begun: Begun, tmp_path: Path) -> None:
    """It goes on when the reader of its messages has gone."""
    reader, site = begun(Case())
    reader.stop()
    command = [sys.executable, "-m", "donkeywatch", "run", "-c", str(reader.settings)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as started:
        assert started.stderr is not None
        assert b"listening" in started.stderr.readline() + started.stderr.readline()
        started.stderr.close()
        site.write(10)
        until = time.monotonic() + 20
        while reader.tally().total < site.written and time.monotonic() < until:
            started.send_signal(1)
            time.sleep(0.1)
        started.terminate()
        assert started.wait(20) == 0
    assert reader.tally().total == site.written
