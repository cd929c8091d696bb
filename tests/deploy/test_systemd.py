"""The service file: what it says, what systemd thinks of it, and the daemon under its limits."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from donkeywatch.errors import (
    AddressUnavailable,
    ConfigError,
    DatabaseUnavailableError,
    StateError,
    StateLockedError,
)
from donkeywatch.settings import loader
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import START, Simulated, simulated

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "donkeywatch.service"
KEYS, TIMER = UNIT.with_name("donkeywatch-keys.service"), UNIT.with_name("donkeywatch-keys.timer")
SETTINGS = ROOT / "deploy" / "donkeywatch.toml"
PROGRAM = "/opt/donkeywatch/bin/donkeywatch"
COMMAND = [sys.executable, "-m", "donkeywatch"]

HARMLESS = {"mbind", "fchown"}
"""Calls whose refusal (EPERM) changes nothing: numpy's OpenBLAS asks for near memory and ignores
the answer; SQLite gives its files away only when it runs as root, as a test may."""

WITHOUT_WRITABLE_CODE = """
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0):
    sys.exit("refused")
os.execv(sys.argv[1], sys.argv[1:])
"""
"""PR_SET_MDWE, the kernel's own MemoryDenyWriteExecute (Linux 6.3); kept over exec."""


def directives(path: Path = UNIT) -> dict[str, list[str]]:
    """Every value of every directive, in order."""
    result: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            result.setdefault(name, []).append(value)
    return result


@pytest.fixture
def server(tmp_path: Path) -> Simulated:
    """A small simulated server whose live log is the archive's only file."""
    sim = Simulation(seed=21, start=START, hours=24, queries=2_000, addresses=300)
    result = simulated(tmp_path / "server", sim, files=1)
    result.archive[0].rename(result.log)
    with result.settings.open("a", encoding="utf-8") as settings:
        settings.write("\n[http]\nport = 0\n")
    return result


@contextmanager
def started(command: list[str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A daemon and its URL; ended by its own process id."""
    with log.open("wb") as out, subprocess.Popen(command, stderr=out, stdout=out) as process:
        try:
            yield process, url_in(process, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


def url_in(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the daemon says it listens."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        text = log.read_text("utf-8")
        if match := re.search(r"listening on (http://\S+)", text):
            return match[1]
        assert process.poll() is None, text
        time.sleep(0.05)
    raise AssertionError("the daemon did not come up")


def fetched(url: str) -> str:
    """The body of an answer, past any proxy."""
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        return str(answer.read().decode())


def counted(url: str, queries: int) -> None:
    """Wait until the daemon has counted so many queries."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if f"donkeywatch_queries_total {float(queries)}" in fetched(f"{url}/metrics"):
            return
        time.sleep(0.1)
    raise AssertionError(fetched(f"{url}/metrics"))


def test_the_daemon_runs_as_its_own_user_with_a_state_directory_of_its_own() -> None:
    """User, private state, the check before a reload, and the token are as promised."""
    unit = directives()
    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert unit["WatchdogSec"] == ["5min"]
    assert unit["User"] == ["donkeywatch"]
    assert (unit["StateDirectory"], unit["StateDirectoryMode"]) == (["donkeywatch"], ["0700"])
    assert unit["LoadCredential"][0].startswith("token:")
    (start,), reloads = unit["ExecStart"], unit["ExecReload"]
    settings = "--config /etc/donkeywatch/donkeywatch.toml"
    assert start == f"{PROGRAM} run {settings}"
    assert reloads == [f"{PROGRAM} check {settings}", "/bin/kill -HUP $MAINPID"]


def test_only_what_does_not_mend_itself_keeps_the_daemon_down() -> None:
    """Exit codes of settings and damage; of no other is a start the last one, however many."""
    unit = directives()
    assert unit["Restart"] == ["on-failure"]
    down = {int(code) for code in unit["RestartPreventExitStatus"][0].split()}
    assert down == {ConfigError.exit_code, StateError.exit_code}
    passing = {
        e.exit_code for e in (AddressUnavailable, StateLockedError, DatabaseUnavailableError)
    }
    assert passing == {4, 6}
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert "ExecStartPre" not in unit  # Its exit code would decide nothing.
    assert "network-online.target" in unit["After"][0]
    assert unit["Wants"] == ["network-online.target"]


def test_the_sandbox_is_whole() -> None:
    """Every protection that a daemon on loopback can bear is on."""
    unit = directives()
    on = {name for name, values in unit.items() if values == ["yes"]}
    assert on >= {
        "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "PrivateDevices",
        "PrivateIPC", "PrivateMounts", "PrivateTmp", "PrivateUsers", "ProtectClock",
        "ProtectControlGroups", "ProtectHome", "ProtectHostname", "ProtectKernelLogs",
        "ProtectKernelModules", "ProtectKernelTunables", "RemoveIPC", "RestrictNamespaces",
        "RestrictRealtime", "RestrictSUIDSGID",
    }  # fmt: skip
    assert unit["ProtectSystem"] == ["strict"]
    assert (unit["ProtectProc"], unit["ProcSubset"]) == (["invisible"], ["pid"])
    assert unit["LimitNOFILE"] == ["4096"]
    assert (unit["UMask"], unit["LimitCORE"], unit["MemorySwapMax"]) == (["0077"], ["0"], ["0"])
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == [""]
    assert unit["SystemCallFilter"][0] == "@system-service"
    assert unit["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]
    assert (unit["IPAddressDeny"], unit["IPAddressAllow"]) == (["any"], ["localhost"])


def test_the_log_of_the_sample_settings_is_read_only() -> None:
    """The log's directory in deploy/donkeywatch.toml is the one the service protects."""
    log = loader.load(SETTINGS, {}).source[0].path
    assert f"-{log.parent}" in directives()["ReadOnlyPaths"]


def test_the_sample_settings_are_accepted() -> None:
    """deploy/donkeywatch.toml loads as it stands, and listens on loopback only."""
    settings = loader.load(SETTINGS, {})
    assert settings.source[0].format == "enode-go"
    assert settings.http.loopback
    assert settings.http.token is None


def test_every_commented_sample_setting_is_one(tmp_path: Path) -> None:
    """The settings that are commented out are accepted too when they are uncommented."""
    text = re.sub(r"^#(\w+ = )", r"\1", SETTINGS.read_text("utf-8"), flags=re.MULTILINE)
    text = text.replace("/etc/donkeywatch/token", "token")
    (tmp_path / "token").write_text("a-token-of-the-test\n", "utf-8")
    (tmp_path / "token").chmod(0o600)
    path = tmp_path / "donkeywatch.toml"
    path.write_text(text, "utf-8")
    settings = loader.load(path, {})
    assert settings.countries
    assert settings.keys
    assert settings.retention.hourly_weeks
    assert settings.http.tls_key


def test_the_credential_becomes_the_token(tmp_path: Path) -> None:
    """What LoadCredential=token brings is the bearer token, without any other setting."""
    (tmp_path / "token").write_text("a-token-of-the-test\n", "utf-8")
    (tmp_path / "token").chmod(0o400)
    settings = loader.load(SETTINGS, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert settings.http.token is not None
    assert settings.http.token.get_secret_value() == "a-token-of-the-test"


def test_the_timer_destroys_keys_as_the_daemon_would() -> None:
    """Daily and after a missed day, as the same user, in the same sandbox, without the log."""
    timer, keys, daemon = directives(TIMER), directives(KEYS), directives()
    assert (timer["OnCalendar"], timer["Persistent"]) == (["daily"], ["yes"])
    assert keys["Type"] == ["oneshot"]
    settings = "--config /etc/donkeywatch/donkeywatch.toml"
    assert keys["ExecStart"] == [f"{PROGRAM} keys destroy --due {settings}"]
    assert keys["SuccessExitStatus"] == ["4"], "the daemon runs, and does it itself"
    assert keys["InaccessiblePaths"] == ["-/var/log/enode-go"]
    assert (keys["PrivateNetwork"], keys["RestrictAddressFamilies"]) == (["yes"], ["AF_UNIX"])
    ours = {
        "Description", "After", "Type", "ExecStart", "ReadOnlyPaths", "RestrictAddressFamilies",
        "SystemCallFilter", "TimeoutStartSec",
    }  # fmt: skip
    shared = (set(keys) & set(daemon)) - ours
    assert {name: keys[name] for name in shared} == {name: daemon[name] for name in shared}
    assert {"ProtectSystem", "NoNewPrivileges", "UMask", "LimitCORE", "MemorySwapMax"} <= shared


def analyzed(arguments: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    """systemd-analyze on the units with the program of this test run."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    program = directory / "donkeywatch"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    units = [directory / path.name for path in (UNIT, KEYS, TIMER)]
    for unit, path in zip(units, (UNIT, KEYS, TIMER), strict=True):
        unit.write_text(path.read_text("utf-8").replace(PROGRAM, str(program)), "utf-8")
    named = units if arguments[0] == "verify" else units[:2]
    return subprocess.run(
        [tool, *arguments, *map(str, named)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """`systemd-analyze verify` says nothing."""
    done = analyzed(["verify", "--man=no"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_calls_the_exposure_low(tmp_path: Path) -> None:
    """`systemd-analyze security` gives 1.5 of 10 at the most (0 is none)."""
    done = analyzed(["security", "--offline=true", "--threshold=15", "--no-pager"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_daemon_works_without_writable_code(server: Simulated, tmp_path: Path) -> None:
    """Counting and serving work where no memory can be made executable after it was written."""
    wrapper = [sys.executable, "-c", WITHOUT_WRITABLE_CODE]
    tried = subprocess.run([*wrapper, "/bin/true"], capture_output=True, timeout=20, check=False)
    if tried.returncode:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    command = [*wrapper, *COMMAND, "run", "--config", str(server.settings)]
    with started(command, tmp_path / "out") as (_, url):
        counted(url, server.truth.lines["query"])


def allowed() -> set[str]:
    """System calls that the unit's filter lets through, by systemd's own tables."""
    result: set[str] = set()
    for line in directives()["SystemCallFilter"]:
        names = {name for word in line.removeprefix("~").split() for name in expanded(word)}
        result = result - names if line.startswith("~") else result | names
    return result


def expanded(word: str) -> set[str]:
    """The system calls of a group; a single one is its own."""
    if not word.startswith("@"):
        return {word}
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", word],
        capture_output=True, text=True, timeout=20, check=True,
    )  # fmt: skip
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    return {name for line in lines if line[:1] not in ("#", "") for name in expanded(line)}


def test_the_daemon_makes_no_call_that_the_filter_forbids(
    server: Simulated, tmp_path: Path
) -> None:
    """Every system call of a life (start, count, serve, reload, stop) is in the allow list."""
    strace = shutil.which("strace")
    if strace is None or shutil.which("systemd-analyze") is None:
        pytest.skip("strace or systemd-analyze is not installed")
    tried = subprocess.run([strace, "-o", "/dev/null", "/bin/true"], check=False, timeout=20)
    if tried.returncode:
        pytest.skip("tracing is not allowed here")
    traces = tmp_path / "traces"
    traces.mkdir()
    command = [strace, "-ff", "-qq", "-o", str(traces / "t"), "-e", "signal=none"]
    command += [*COMMAND, "run", "--config", str(server.settings)]
    with started(command, tmp_path / "out") as (process, url):
        counted(url, server.truth.lines["query"])
        daemon = int(next(Path(f"/proc/{process.pid}/task/{process.pid}").glob("children"))
                     .read_text("ascii").split()[0])  # fmt: skip
        os.kill(daemon, signal.SIGHUP)
        until = time.monotonic() + 20
        while "settings reloaded" not in (tmp_path / "out").read_text("utf-8"):
            assert time.monotonic() < until
            time.sleep(0.05)
        json.loads(fetched(f"{url}/api/v1/fractions"))
        os.kill(daemon, signal.SIGTERM)
        assert process.wait(20) == 0
    calls = {
        match[1]
        for path in traces.iterdir()
        for line in path.read_text("utf-8", "replace").splitlines()
        if (match := re.match(r"(\w+)\(", line))
    }
    assert {"read", "openat", "accept4", "fsync"} & calls
    assert calls - allowed() - HARMLESS == set()
