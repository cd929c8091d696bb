"""H: what an operator does, and what asks from outside."""

from __future__ import annotations

import asyncio
import hmac
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from conformance.cases import CASES, Ask, Begun, Make, Prepared, Reasons
from conformance.fork_server import ForkServer
from conformance.readers import Daemon
from conformance.site import Case, Site
from conformance.surroundings import refused
from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http.app import create_app
from donkeywatch.settings import loader

RELOADED = "donkeywatch_config_last_reload_successful"
LINES = 'donkeywatch_lines_total{outcome="query",source="simulated"}'
QUERIES = "donkeywatch_queries_total"


def metrics(text: str) -> dict[str, float]:
    """Values by name and labels."""
    rows = (line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
    return {name: float(value) for name, value in rows}


# -- H01 ------------------------------------------------------------------------------------

SLIPS: dict[str, Callable[[str], str]] = {
    "no TOML": lambda text: text + "\nzqorv ===\n",
    "unknown setting": lambda text: "zqorv = 1\n" + text,
    "out of range": lambda text: text.replace("port = 0", "port = 99999"),
    "wrong type": lambda text: text.replace('name = "simulated"', "name = 5"),
    "no such format": lambda text: text.replace('format = "tsv"', 'format = "zqorv"'),
    "no lexicon": lambda text: text.replace("lexicon.toml", "zqorv.toml"),
    "open to all": lambda text: text.replace("port = 0", 'port = 0\nhost = "0.0.0.0"'),
    "no countries": lambda text: text.replace("countries.mmdb", "zqorv.mmdb"),
    "no source": lambda text: text.replace("[[source]]", "[source]"),
}
BELLS = pytest.mark.parametrize("case", [Case(), Case(wakeup="polling")], ids=str)


def verb(fork_server: ForkServer, daemon: Daemon, name: str) -> int:
    """The exit code of a command on a daemon's settings."""
    pid = fork_server.fork([name, "--config", str(daemon.settings)], daemon.errors)
    while (code := fork_server.poll(pid)) is None:
        time.sleep(0.01)
    return code


@pytest.mark.scenario("H01")
@pytest.mark.parametrize("slip", SLIPS)
def test_bad_settings_at_the_start(daemon: Make, fork_server: ForkServer, slip: str) -> None:
    """`check` is not content, `run` refuses with the same code, and nothing is made."""
    reader = daemon(Case())
    valid = reader.settings.read_text()
    reader.settings.write_text(SLIPS[slip](valid))
    assert reader.settings.read_text() != valid
    assert verb(fork_server, reader, "check") == 7
    assert not (reader.state / "donkeywatch.db").exists()
    refused(reader, 7)
    assert not (reader.state / "donkeywatch.db").exists()


@pytest.mark.scenario("H01")
@pytest.mark.parametrize("slip", [*SLIPS, "lexicon", "open lexicon", "state"])
def test_bad_settings_at_a_reload(begun: Begun, ask: Ask, reasons: Reasons, slip: str) -> None:
    """The old ones stay, a metric tells, counting goes on; mended, the metric does too."""
    reader, site = begun(CASES[len(slip) % 4])
    lexicon = reader.settings.parent / "archive" / "lexicon.toml"
    valid, words = reader.settings.read_text(), lexicon.read_text()
    assert metrics(ask(reader, "/metrics").text)[RELOADED] == 1
    if slip == "lexicon":
        lexicon.write_text(words + "\nzqorv ===\n")
    elif slip == "open lexicon":
        lexicon.chmod(0o644)
    elif slip == "state":
        reader.settings.write_text(valid.replace('state = "state"', 'state = "zqorv"'))
    else:
        reader.settings.write_text(SLIPS[slip](valid))
    reader.signal(signal.SIGHUP)
    reader.until(lambda: metrics(ask(reader, "/metrics").text)[RELOADED] == 0)
    assert "the old ones stay" in reader.log_text()
    site.write(10)
    site.look()
    assert reasons(reader) == ""
    reader.settings.write_text(valid)
    lexicon.write_text(words)
    lexicon.chmod(0o600)
    reader.signal(signal.SIGHUP)
    reader.until(lambda: metrics(ask(reader, "/metrics").text)[RELOADED] == 1)
    site.restart()
    site.write(10)
    assert site.outcome() == (0, 0)
    reader.stop()


# -- H02 ------------------------------------------------------------------------------------

GATED = """
import itertools, pathlib, time
import donkeywatch.runtime.engine as engine
engine.TICK_BYTES = 1
steps, tick = itertools.count(1), engine.Engine.tick
gate = pathlib.Path({!r})
def one(self, *times):
    number = next(steps)
    while int(gate.read_text() or 0) < number:
        time.sleep(0.01)
    return tick(self, *times)
engine.Engine.tick = one
"""


@pytest.mark.scenario("H02")
@BELLS
def test_ready_when_it_has_caught_up(
    prepared: Prepared, case: Case, tmp_path: Path, reasons: Reasons
) -> None:
    """Steps are let through one by one: not ready before the first, nor while far behind."""
    gate = tmp_path / "gate"
    gate.write_text("0")
    reader = prepared(GATED.format(str(gate)), case)
    site = Site(tmp_path, reader, case)
    site.write(3_000, width=1_000)
    behind = site.path.stat().st_size
    assert behind > 3 << 20
    reader.start()
    assert "first scan" in reasons(reader)
    for step in (1, 2):
        gate.write_text(str(step))
        left = behind - (step << 18)
        reader.until(lambda left=left: _behind(reasons(reader)) in range(left, left + 2_000))  # type: ignore[misc]
    gate.write_text("999999")
    reader.until(lambda: reasons(reader) == "")
    assert site.outcome() == (0, 0)
    reader.stop()


def _behind(reasons: str) -> int:
    match = re.search(r"(\d+) bytes behind", reasons)
    return int(match[1]) if match else 0


# -- H03 ------------------------------------------------------------------------------------


def consistent(text: str) -> float:
    """A scrape agrees with itself; the queries it tells of."""
    message = metrics(text)
    assert message[LINES] == message[QUERIES]
    windows = {name: value for name, value in message.items() if "_window_queries{" in name}
    assert all(value <= message[QUERIES] for value in windows.values())
    return message[QUERIES]


@pytest.mark.scenario("H03")
@BELLS
def test_scrapes_under_load(begun: Begun, case: Case) -> None:
    """Eight scrapers at once while lines pour in: each answer is of one moment, none goes back."""
    reader, site = begun(case)
    url, stop = reader.url() + "/metrics", threading.Event()

    def scrape() -> list[float]:
        result: list[float] = []
        with httpx.Client(trust_env=False, timeout=20) as client:
            while not stop.is_set() or len(result) < 3:
                result.append(consistent(client.get(url).text))
        return result

    with ThreadPoolExecutor(8) as pool:
        scrapers = [pool.submit(scrape) for _ in range(8)]
        try:
            for turn in range(20):
                site.write(500)
                if turn % 7 == 6:
                    site.rename()
                time.sleep(0.05)  # the load is spread over the scrapes
        finally:
            stop.set()
        items = [scraper.result(60) for scraper in scrapers]
    assert all(message == sorted(message) for message in items)
    assert site.outcome() == (0, 0)
    reader.stop()


def opened(url: str) -> socket.socket:
    """A connection to a daemon."""
    host, _, port = url.rpartition("/")[2].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


GET = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.scenario("H03")
@BELLS
def test_a_client_that_reads_nothing(begun: Begun, case: Case, ask: Ask) -> None:
    """It asks and asks; others are answered, lines are counted, and the stop is in time."""
    reader, site = begun(case)
    with opened(reader.url()) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(0.5)
        try:
            for _ in range(2_000):
                deaf.sendall(GET)
        except TimeoutError:
            pass
        site.write(100)
        began = time.monotonic()
        site.look()
        assert ask(reader, "/metrics").status_code == 200
        assert time.monotonic() - began < 10
        assert site.outcome() == (0, 0)
        began = time.monotonic()
        reader.stop()
        assert time.monotonic() - began < 10


@pytest.mark.scenario("H03")
@BELLS
def test_a_thousand_connections(begun: Begun, case: Case, ask: Ask) -> None:
    """Silent ones or asking ones: lines are counted meanwhile, and afterwards all is as before."""
    reader, site = begun(case)
    with ExitStack() as held:
        clients = [held.enter_context(opened(reader.url())) for _ in range(1_000)]
        for client in clients[::2]:
            client.sendall(GET)
        site.write(100)
        began = time.monotonic()
        site.look()
        assert reader.tally().total == 110
        answers = [client.recv(12) for client in clients[::2]]
        assert time.monotonic() - began < 20
        assert {answer[9:12] for answer in answers} <= {b"200", b"503"}
    reader.until(lambda: ask(reader, "/metrics").status_code == 200)
    assert site.outcome() == (0, 0)
    reader.stop()


# -- H04 ------------------------------------------------------------------------------------


def guarded(text: str) -> str:
    """Settings with a token."""
    return text.replace("port = 0", 'port = 0\ntoken = "zqorvtoken"')


@pytest.mark.scenario("H04")
@BELLS
def test_tokens(begun: Begun, case: Case, ask: Ask) -> None:
    """Without the token nothing but health is told, and nothing of it is in the answers."""
    reader, site = begun(case, guarded)
    url = reader.url()
    wrong = ["", "zqorvtoken", "Bearer", "Bearer zqorvtoke", "Bearer zqorvtokenn",
             "bearer zqorvtoke", "Basic zqorvtoken", "Bearer ZQORVTOKEN"]  # fmt: skip
    paths = ("/", "/metrics", "/readyz", "/api/v1/fractions", "/openapi.json", "/zqorv")
    for number, path in enumerate(paths, 2):
        # Of a client that is wrong too often nothing is looked at any more.
        transport = httpx.HTTPTransport(local_address=f"127.0.0.{number}")
        with httpx.Client(transport=transport) as client:
            assert client.get(url + path).status_code == 401
            for header in wrong:
                answer = client.get(url + path, headers={"Authorization": header})
                assert answer.status_code == 401
                assert "zqorvtoken" not in answer.text + str(answer.headers)
    with httpx.Client(trust_env=False) as client:
        for scheme in ("Bearer", "bearer"):  # It has no case (RFC 9110, section 11.1).
            valid = {"Authorization": f"{scheme} zqorvtoken"}
            assert client.get(url + "/metrics", headers=valid).status_code == 200
        assert client.get(url + "/healthz").status_code == 200
    assert "zqorvtoken" not in reader.log_text()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("H04")
def test_tokens_are_compared_in_constant_time(
    daemon: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each comparison is `hmac.compare_digest`, of the whole text with the whole token."""
    settings = daemon(Case()).settings
    settings.write_text(guarded(settings.read_text()))
    compared: list[tuple[object, object]] = []
    compare = hmac.compare_digest

    def spy(given: bytes, known: bytes) -> bool:
        compared.append((given, known))
        return compare(given, known)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    app = create_app(lambda: loader.load(settings, {}), Status)

    async def ask_with(given: str) -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            await client.get("/readyz", headers={"Authorization": given})

    for given in ("", "Bearer z", "Bearer zqorvtoken"):
        asyncio.run(ask_with(given))
    assert compared == [(b"z", b"zqorvtoken"), (b"zqorvtoken", b"zqorvtoken")]


def certify(directory: Path, openssl: str) -> None:
    """A new certificate for 127.0.0.1 and its key, in place of the old."""
    command = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "2", "-subj", "/CN=zqorv", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem"),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def served(begun: Begun, case: Case, openssl: str, tmp_path: Path) -> Iterator[tuple[Daemon, Site]]:
    """A daemon that speaks TLS."""
    certify(tmp_path, openssl)
    lines = 'port = 0\ntls_certificate = "cert.pem"\ntls_key = "key.pem"'
    reader, site = begun(case, lambda text: text.replace("port = 0", lines))
    yield reader, site
    assert site.outcome() == (0, 0)
    reader.stop()


def shown(reader: Daemon) -> str:
    """The certificate that is served."""
    port = int(reader.url().rpartition(":")[2])
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=5).strip()


@pytest.mark.scenario("H04")
def test_a_certificate_renewed_and_a_restart(
    begun: Begun, case: Case, tmp_path: Path, need: Callable[[str], str]
) -> None:
    """After a restart the new one is served; one that is not whole refuses the start."""
    openssl = need("openssl")
    with served(begun, case, openssl, tmp_path) as (reader, site):
        first = (tmp_path / "cert.pem").read_text().strip()
        assert shown(reader) == first
        certify(tmp_path, openssl)
        assert shown(reader) == first
        site.restart()
        assert shown(reader) == (tmp_path / "cert.pem").read_text().strip() != first
        site.end()
        shutil.move(tmp_path / "key.pem", tmp_path / "kept")
        refused(reader, 7)
        shutil.move(tmp_path / "kept", tmp_path / "key.pem")
        site.write(10)
        reader.start()


@pytest.mark.scenario("H04")
def test_a_certificate_renewed_and_a_reload(
    begun: Begun, tmp_path: Path, need: Callable[[str], str]
) -> None:
    """As certbot's deploy hook would have it: SIGHUP is enough."""
    openssl = need("openssl")
    with served(begun, Case(), openssl, tmp_path) as (reader, _):
        certify(tmp_path, openssl)
        reader.signal(signal.SIGHUP)
        reader.until(lambda: "settings reloaded" in reader.log_text())
        reader.until(lambda: shown(reader) == (tmp_path / "cert.pem").read_text().strip(), 2)
