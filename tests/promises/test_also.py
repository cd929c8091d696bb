"""What is promised besides: modes, hardening, exceptions, the own log, HTTP and words."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from donkeywatch import cli
from donkeywatch.cli import application
from donkeywatch.errors import ConfigError, SourceError
from donkeywatch.evaluation.labels import LabelledQuery
from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http import base_middleware, connections
from donkeywatch.publish.http.app import create_app
from donkeywatch.publish.http.server import _settings
from donkeywatch.runtime.log_redaction import JsonFormatter, SafeFormatter, describe_exception
from donkeywatch.runtime.repeated_messages import Journal
from donkeywatch.runtime.service import Service
from donkeywatch.settings import state_files
from donkeywatch.settings.schema import Http, Settings, Source
from donkeywatch.sources.log_file import PlainFile
from donkeywatch.store import backups, database_opening

ROOT = Path(__file__).resolve().parents[2]
CANARY = "zqcanaryorv"
VERBS = sorted(cli.SUMMARIES)
LOOK = """
import ctypes, importlib, os, resource, sys
from donkeywatch import cli
def look(*_):
    mask = os.umask(0)
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
    print(sys.excepthook.__module__, dumpable, resource.getrlimit(resource.RLIMIT_CORE), oct(mask))
cli.load_commands = look
shared = importlib.import_module("donkeywatch.cli.application")
shared.main = lambda: None
sys.argv = ["donkeywatch", "{verb}"]
cli.main()
"""
"""A program that tells how it is hardened just before its verb is loaded."""
RAISE = """
import logging, sys, threading
from donkeywatch.runtime.log_redaction import install_exception_hooks
install_exception_hooks()
def fail():
    int("zqcanaryorv")
class Failing:
    def __del__(self):
        fail()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
Failing()
try:
    fail()
except ValueError:
    logging.getLogger("asyncio").error("Task zqcanaryorv failed", exc_info=True)
    logging.getLogger("uvicorn.error").error("about %s\\nzqcanaryorv", "zqcanaryorv", exc_info=True)
    logging.getLogger("other").error("%d is no number", "zqcanaryorv")
try:
    fail()
except ValueError as error:
    raise KeyError("zqcanaryorv") from ExceptionGroup("zqcanaryorv", [error])
"""


def run(program: str, **environment: str) -> str:
    """Run a program; all that it says."""
    command, surroundings = [sys.executable, "-c", program], {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=surroundings)
    return done.stdout + done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_hardened_before_it_is_loaded(verb: str) -> None:
    """No core dump, no value in a traceback; private files but where others are to read them."""
    hook, dumpable, soft, hard, mask = run(LOOK.format(verb=verb)).split()
    assert hook == "donkeywatch.runtime.log_redaction"
    assert (dumpable, soft, hard) == ("0", "(0,", "0)")
    assert mask == "0o77" or verb in ("files", "init", "report")


def test_no_hook_tells_a_message_or_a_value() -> None:
    """Of the interpreter, a thread, a destructor and logging: types and frames are told."""
    text = run(RAISE)
    assert CANARY not in text
    assert text.count("ValueError\n") == 5
    assert "KeyError\n" in text
    assert "ExceptionGroup\n" in text
    assert re.search(r"<string>:\d+ in fail\n", text)
    assert "asyncio\n" in text
    assert "uvicorn.error: about %s\n" in text


def test_a_failure_of_ours_is_told_whole() -> None:
    """Its text holds no word and no address, and has the remedy."""
    assert "mend it" in describe_exception(ConfigError("it is broken", "mend it"))
    assert describe_exception(ValueError(CANARY)) == "ValueError"


def test_the_own_log_has_no_value_of_a_library(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither its arguments nor what it had formatted before."""
    handler = Journal()
    handler.setFormatter(SafeFormatter())
    for name in ("asyncio", "uvicorn.error", "donkeywatch"):
        record = logging.LogRecord(name, logging.ERROR, "", 1, "it failed", (), None)
        record.exc_text = CANARY
        if name != "donkeywatch":
            record.msg, record.args = f"%s failed\n{CANARY}", (CANARY,)
        if name == "asyncio":
            record.msg, record.args = f"Task {CANARY} failed", ()
        handler.emit(record)
    text = capsys.readouterr().err
    assert CANARY not in text
    assert "ERROR it failed" in text


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_state_and_copies_are_for_their_owner_only(tmp_path: Path, umask: int) -> None:
    """Directories 0700 and copies 0600, also where they were there before."""
    before = os.umask(umask)
    try:
        state = tmp_path / "state"
        database_opening.ensure_state_directory(state)
        assert state.stat().st_mode & 0o777 == 0o700
        state.chmod(0o755)
        database_opening.ensure_state_directory(state)
        assert state.stat().st_mode & 0o777 == 0o700
        database_opening.connect(state / state_files.DATABASE).close()
        (state / state_files.DATABASE).chmod(0o600)
        (state / state_files.BACKUPS).mkdir()
        (state / state_files.BACKUPS).chmod(0o755)
        copy = backups.Backups(state / state_files.DATABASE, 1, 1).make(0)
        assert copy is not None
        assert copy.stat().st_mode & 0o777 == 0o600
        assert copy.parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


def test_a_log_is_a_regular_file(tmp_path: Path) -> None:
    """A pipe or a device is neither waited for nor read."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(SourceError):
            PlainFile(path)


def test_connections_heads_and_bodies_have_limits() -> None:
    """In number, in bytes and in time."""
    assert connections.max_connections() <= connections.MAX_CONNECTIONS == 512
    assert connections.Connections(64, plain=True).client_limit == 32
    assert base_middleware.MAX_HEADERS == 100
    assert base_middleware.MAX_HEAD_BYTES == base_middleware.MAX_BODY_BYTES == 16 << 10


def settings_of(directory: Path) -> Settings:
    """Settings over a directory with nothing in it."""
    source = Source(path=directory / "search.log", format="tsv")
    lexicon = directory / "lexicon.toml"
    return Settings(state=directory, lexicon=lexicon, source=(source,), http=Http())


def ask(app: FastAPI, headers: list[tuple[str, str]], content: bytes = b"") -> httpx.Response:
    """Ask for `/readyz` with other headers."""

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request("GET", "/readyz", headers=headers, content=content)

    return asyncio.run(request())


def test_by_https_a_browser_is_told_to_ask_by_https_alone(tmp_path: Path) -> None:
    """For a year; by HTTP the header means nothing, and is not sent."""
    settings, name = settings_of(tmp_path), "strict-transport-security"
    assert name not in ask(create_app(lambda: settings, Status), []).headers
    http = settings.http.model_copy(update={"tls_certificate": tmp_path / "cert.pem"})
    secure = settings.model_copy(update={"http": http})
    assert ask(create_app(lambda: secure, Status), []).headers[name] == "max-age=31536000"


def test_a_head_or_body_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    """Too many headers, too long ones, a body that is too long or has no length."""
    app = create_app(lambda: settings_of(tmp_path), Status)
    assert ask(app, []).status_code in (200, 503)
    assert ask(app, [(f"x-{number}", "") for number in range(120)]).status_code == 431
    assert ask(app, [("x-long", "z" * (17 << 10))]).status_code == 431
    assert ask(app, [], b"z" * (17 << 10)).status_code == 413
    assert ask(app, [("transfer-encoding", "chunked")]).status_code == 411


def test_only_get_and_head_are_answered(tmp_path: Path) -> None:
    """Nothing can be written or deleted over HTTP."""
    app = create_app(lambda: settings_of(tmp_path), Status)

    async def codes() -> set[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            methods = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
            return {(await client.request(name, "/readyz")).status_code for name in methods}

    assert asyncio.run(codes()) == {405}


def test_a_request_that_fails_tells_the_kind_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the answer nor the log has the text of the exception."""

    def fail() -> Status:
        raise LookupError(CANARY)

    answer = ask(create_app(lambda: settings_of(tmp_path), fail), [])
    assert answer.status_code == 500
    assert CANARY not in answer.text + caplog.text
    assert "LookupError" in caplog.text


def test_a_reload_that_fails_tells_the_kind_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the settings or the lexicon broke."""
    service = Service.__new__(Service)
    service._reject_reload(LookupError(CANARY))
    service._reject_reload(ConfigError("it is broken", "mend it"))
    assert CANARY not in caplog.text
    assert "LookupError" in caplog.text
    assert "mend it" in caplog.text


def test_the_daemon_logs_through_the_safe_formatter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handler is the only one."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(logging, "basicConfig", lambda **named: given.update(named))
    monkeypatch.setattr(logging.getLogger("uvicorn"), "level", logging.NOTSET)
    application.log_to_stderr()
    (handler,) = given["handlers"]
    assert isinstance(handler, Journal)
    assert isinstance(handler.formatter, SafeFormatter)


@pytest.mark.parametrize("formatter", [SafeFormatter(), JsonFormatter()])
@pytest.mark.parametrize("name", ["donkeywatch", "uvicorn.error", "asyncio"])
def test_no_form_of_the_log_shows_a_value(formatter: SafeFormatter, name: str) -> None:
    """Of an exception types and places, of a library's message its template."""
    try:
        int(CANARY)
    except ValueError:
        failure = sys.exc_info()
    values = (CANARY,) if name != "donkeywatch" else ("one",)
    record = logging.LogRecord(name, logging.ERROR, "", 1, "it failed: %s", values, failure)
    text = formatter.format(record)
    assert CANARY not in text
    assert "ValueError" in text
    assert "test_also.py" in text


def test_a_log_of_objects_has_one_on_each_line() -> None:
    """With the time in UTC, the level, the logger and the message."""
    record = logging.LogRecord(
        "donkeywatch", logging.INFO, "", 1, "listening on %s", ("a\nb",), None
    )
    record.created = 1795387800.0
    assert json.loads(JsonFormatter().format(record)) == {
        "time": "2026-11-22T22:50:00Z", "level": "INFO", "logger": "donkeywatch",
        "message": "listening on a\nb",
    }  # fmt: skip
    assert "\n" not in JsonFormatter().format(record)


def test_no_traceback_shows_locals() -> None:
    """typer's own tracebacks, which show them, are off."""
    assert application.app.pretty_exceptions_enable is False


def test_no_representation_shows_a_query() -> None:
    """Where an object with a query is shown, the query is not."""
    row = LabelledQuery(7, CANARY, frozenset({"one"}), "fr", "flagged", 1.0)
    assert CANARY not in repr(row)


def test_the_server_has_no_debug_route_and_no_access_log(tmp_path: Path) -> None:
    """No interactive documentation, no log of requests, no name of the server."""
    app = create_app(lambda: settings_of(tmp_path), Status)
    assert not app.debug
    assert app.openapi_url is None  # With it come pages whose scripts are another host's.
    paths = {str(getattr(route, "path", "")) for route in app.routes}
    assert not [path for path in paths if re.search("debug|redoc|trace|profiler", path)]
    config = _settings(app, Http(), connections.Connections(1, plain=True))
    assert config.access_log is False
    assert config.server_header is False
    assert config.log_config is None
    assert config.h11_max_incomplete_event_size == base_middleware.MAX_HEAD_BYTES
    assert config.timeout_keep_alive <= 30


def test_no_text_claims_that_data_are_anonymous() -> None:
    """They are pseudonymised; the word stands in denials alone."""
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    texts += [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.html")]
    claims = []
    for path in texts:
        text = " ".join(path.read_text("utf-8").split())
        for match in re.finditer(r"\banonym\w+", text, re.IGNORECASE):
            before = text[max(0, match.start() - 40) : match.start()]
            if not re.search(r"\b(?:not|no|nor|never)\b", before, re.IGNORECASE):
                claims.append(f"{path.name}: {before}{match[0]}")
    assert claims == []
