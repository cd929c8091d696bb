"""Who may read what, asked of a real server: scopes, revocation, and a limit on wrong tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http import authorisation
from donkeywatch.publish.http.authorisation import MAX_CLIENTS, MAX_FAILURES, FailureLimit
from donkeywatch.settings.access_tokens import (
    Scope,
    find_token,
    new_token,
    read_tokens,
    write_tokens,
)
from donkeywatch.simulation.generator import Simulation
from support.asking import Asked, served
from support.simulated_server import START, Simulated, engine, simulated

PATHS = ("/", "/api/v1/fractions", "/api/v1/hours", "/docs", "/openapi.json")


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Simulated, Status]:
    """A state directory without figures."""
    sim = Simulation(seed=1, start=START, hours=1, queries=9, addresses=10)
    server = simulated(tmp_path_factory.mktemp("server"), sim)
    with engine(server.settings) as opened:
        return server, opened.status()


class Monitor:
    """A server with named tokens."""

    def __init__(self, ask: Asked, tokens: Path) -> None:
        self.ask, self.tokens = ask, tokens

    def add(self, name: str, *scopes: Scope) -> str:
        """Make a token."""
        stored, shown = new_token(name, scopes, date(2026, 11, 29))
        before = read_tokens(self.tokens) if self.tokens.exists() else ()
        write_tokens(self.tokens, [*before, stored])
        return shown

    def status(self, path: str, token: str) -> int:
        """What a path answers to a token."""
        return self.ask(path, headers={"Authorization": f"Bearer {token}"}).status_code


@pytest.fixture
def monitor(counted: tuple[Simulated, Status], tmp_path: Path) -> Iterator[Monitor]:
    """No token yet, and no token in the settings."""
    path = tmp_path / "tokens.json"
    with served(*counted, tokens=path) as ask:
        yield Monitor(ask, path)


def test_a_token_reads_what_its_scope_says(monitor: Monitor) -> None:
    """And is told which scope it lacks."""
    reader, scraper = monitor.add("desk", "read"), monitor.add("prometheus", "metrics")
    for path in PATHS:
        assert (monitor.status(path, reader), monitor.status(path, scraper)) == (200, 403), path
    assert (monitor.status("/metrics", reader), monitor.status("/metrics", scraper)) == (403, 200)
    refused = monitor.ask("/metrics", headers={"Authorization": f"Bearer {reader}"})
    assert refused.json()["error"]["remedy"] == "use a token with the scope metrics"


def test_every_token_may_ask_whether_the_daemon_is_ready(monitor: Monitor) -> None:
    """And nobody needs one to ask whether it lives."""
    assert monitor.status("/readyz", monitor.add("prometheus", "metrics")) in (200, 503)
    assert monitor.ask("/readyz").status_code == 401
    assert monitor.ask("/healthz").status_code == 200


def test_a_revoked_token_is_refused_at_once(monitor: Monitor) -> None:
    """And a new one is taken at once, without a restart."""
    first, second = monitor.add("first", "read"), monitor.add("second", "read")
    assert monitor.status("/", first) == 200
    write_tokens(monitor.tokens, [t for t in read_tokens(monitor.tokens) if t.name != "first"])
    assert monitor.status("/", first) == 401
    assert monitor.status("/", second) == 200


@pytest.mark.parametrize("damage", ["gone", "open", "text"])
def test_where_the_file_is_bad_no_named_token_is_taken(
    monitor: Monitor, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Missing, readable by others, or not ours: nobody is let in, and the log says why."""
    token = monitor.add("desk", "read")
    assert monitor.status("/", token) == 200
    if damage == "gone":
        monitor.tokens.unlink()
    elif damage == "open":
        monitor.tokens.chmod(0o644)
    else:
        monitor.tokens.write_text("{}x", "utf-8")
    with caplog.at_level(logging.ERROR):
        assert monitor.status("/", token) == 401
    assert "no named token is taken" in caplog.text


def test_the_token_of_the_settings_reads_everything(
    counted: tuple[Simulated, Status], tmp_path: Path
) -> None:
    """Beside named ones."""
    with served(*counted, token="zqorvtoken", tokens=tmp_path / "tokens.json") as ask:
        monitor = Monitor(ask, tmp_path / "tokens.json")
        reader = monitor.add("desk", "read")
        assert monitor.status("/", reader) == monitor.status("/", "zqorvtoken") == 200
        assert (monitor.status("/metrics", reader), monitor.status("/metrics", "zqorvtoken")) == (
            403,
            200,
        )


def test_a_client_with_many_wrong_tokens_has_to_wait(
    monitor: Monitor, caplog: pytest.LogCaptureFixture
) -> None:
    """Even with a right one: it is not looked at. The log has no token and no address."""
    token = monitor.add("desk", "read")
    with caplog.at_level(logging.INFO):
        codes = [monitor.status("/", f"zqwrong{n}") for n in range(MAX_FAILURES + 2)]
    assert codes == [401] * MAX_FAILURES + [429] * 2
    answer = monitor.ask("/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 61
    assert monitor.ask("/healthz").status_code == 200
    ours = [record.getMessage() for record in caplog.records if record.name == "donkeywatch"]
    assert set(ours) == {"a request with a wrong token was refused"}
    assert "zqwrong" not in answer.text


def test_who_sends_no_token_is_asked_for_one_without_being_counted(monitor: Monitor) -> None:
    """A browser does so each time it begins."""
    token = monitor.add("desk", "read")
    codes = {monitor.ask("/").status_code for _ in range(MAX_FAILURES + 5)}
    assert codes == {401}
    assert monitor.status("/", token) == 200


def test_wrong_tokens_are_forgotten_after_a_while() -> None:
    """Each client has its own count, and the oldest client goes first."""
    now = 0.0
    limit = FailureLimit(lambda: now)
    for _ in range(MAX_FAILURES):
        limit.note("a")
    assert limit.wait_seconds("a") == authorisation.FAILURE_SECONDS
    assert limit.wait_seconds("b") == 0
    now = authorisation.FAILURE_SECONDS
    assert limit.wait_seconds("a") == 0
    limit.note("a")
    assert limit.wait_seconds("a") == 0
    for _ in range(MAX_FAILURES):
        limit.note("a")
    assert limit.wait_seconds("a") > 0
    for number in range(MAX_CLIENTS):
        limit.note(f"c{number}")
    assert limit.wait_seconds("a") == 0


def test_a_right_token_costs_its_slow_hash_once(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that asks for many files does not wait for each."""
    token, hashes = monitor.add("desk", "read"), []
    slow = find_token

    def counting(*arguments: object) -> object:
        hashes.append(1)
        return slow(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(authorisation, "find_token", counting)
    assert {monitor.status("/", token) for _ in range(5)} == {200}
    assert len(hashes) == 1
