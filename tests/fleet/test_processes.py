"""A fleet of real processes on loopback: keys are handed out, hours shipped, the union served."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from donkeywatch.counting.calendar import HOUR, WEEK, floor_to, week_name
from fleet.servers import free_port
from fleet.simulated_fleet import SimulatedFleet
from support.log_writer import LogWriter

PATIENCE_SECONDS = 90


def donkeywatch(*arguments: str | Path) -> str:
    """Run a command that ends; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "donkeywatch", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def running(directory: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon in the background; ended with SIGTERM, and then its exit code is 0."""
    with (directory / "messages.txt").open("ab") as messages:
        process = subprocess.Popen(
            [sys.executable, "-m", "donkeywatch", *map(str, arguments)],
            stderr=messages,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0, (directory / "messages.txt").read_text()


def until(condition: Callable[[], bool], what: Path) -> None:
    """Wait for something; the messages of a daemon where it does not come."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, (what / "messages.txt").read_text()
        time.sleep(0.1)


def ask(port: int, path: str, token: str) -> Any:
    """An answer of the union, as JSON or text; None while nobody answers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
    return json.loads(text) if text.startswith("{") else text


def assert_takes_good_settings_alone(
    serving: subprocess.Popen[bytes], directory: Path, config: Path
) -> None:
    """SIGHUP: what is wrong with new settings is told, and the old ones stay."""
    settings = config.read_text()
    for text, message in (
        (settings.replace("[fleet.servers]", "[fleet.serverz]"), "settings not reloaded"),
        (settings, "settings reloaded: 2 server(s)"),
    ):
        config.write_text(text)
        serving.send_signal(signal.SIGHUP)
        until(lambda: message in (directory / "messages.txt").read_text(), directory)  # noqa: B023 - waited for in this turn


def configure(fleet: SimulatedFleet, union_port: int) -> dict[str, str]:
    """Tokens, ports and lines of the last closed hours; the tokens by name."""
    union = fleet.directory / "union" / "donkeywatch.toml"
    union.write_text(
        union.read_text().replace(
            "[fleet]", f'[http]\nport = {union_port}\ntokens = "tokens.json"\n[fleet]', 1
        )
    )
    tokens = {
        scope: donkeywatch("token", "add", f"for-{scope}", "--scope", scope, "-c", union)
        for scope in ("read", "metrics", "fleet")
    }
    (fleet.directory / "token").touch(mode=0o600)
    (fleet.directory / "token").write_text(tokens["fleet"])
    for name in ("first", "second"):
        settings = fleet.directory / name / "donkeywatch.toml"
        keys = (
            f'keys_url = "http://localhost:{union_port}"\ntoken_file = "{fleet.directory}/token"\n'
        )
        text = settings.read_text().replace(
            "[fleet]\n", f"[http]\nport = {free_port()}\n[fleet]\n" + keys
        )
        settings.write_text(text)
        start = floor_to(time.time_ns() // 10**6, HOUR) - 3 * HOUR
        first = 20 if name == "second" else 0
        writer = LogWriter(fleet.directory / name / "search.log")
        for n in range(180):
            writer.log_search(start + n * 60_000, f"198.51.100.{first + n % 50}", "zqorv")
    return tokens


def test_two_daemons_and_the_one_that_unites_them(fleet: SimulatedFleet) -> None:
    """Keys are fetched before the first start; three hours of each server become one union."""
    fleet.make(("first", "second"))
    port = free_port()
    tokens = configure(fleet, port)
    union = fleet.directory / "union"
    config = union / "donkeywatch.toml"
    donkeywatch("fleet", "init", "-c", config)
    # The last day reaches back into last week, when the week is young.
    last_week = week_name(time.time_ns() // 10**6 - WEEK)
    donkeywatch("fleet", "keys", "make", "--week", last_week, "-c", config)
    with ExitStack() as stack:
        serving = stack.enter_context(running(union, "fleet", "serve", "-c", config))
        until(lambda: ask(port, "/readyz", tokens["read"]) not in (None, 503), union)
        assert ask(port, "/api/v1/fleet/keys/first", tokens["read"]) == 403
        assert ask(port, "/api/v1/fleet/keys/nobody", tokens["fleet"]) == 404
        assert ask(port, "/api/v1/fractions", tokens["fleet"]) == 403
        for name in ("first", "second"):
            here = fleet.directory / name
            donkeywatch("fleet", "keys", "fetch", "-c", here / "donkeywatch.toml")
            stack.enter_context(running(here, "run", "-c", here / "donkeywatch.toml"))

        def hours() -> list[tuple[int, int]]:
            answer = ask(port, "/api/v1/hours", tokens["read"])
            return [
                (each["queries"], each["addresses"])
                for each in answer["windows"]
                if each["addresses"] is not None
            ]

        # A server that has just joined is not waited for: hours may first show one of the two.
        until(lambda: hours() == [(120, 70)] * 3, union)
        servers = ask(port, "/api/v1/fleet", tokens["read"])
        metrics = ask(port, "/metrics", tokens["metrics"])
        assert_takes_good_settings_alone(serving, union, config)
    assert {tuple(each["servers"]) for each in servers["windows"]} == {("first", "second")}
    assert {each["window"] for each in servers["windows"]} >= {"hour", "1h", "24h"}
    assert 'donkeywatch_fleet_shared_addresses{window="hour"} 30.0' in metrics
    assert 'donkeywatch_fleet_servers{window="24h"} 2.0' in metrics
    check = donkeywatch("fleet", "check", "-c", config)
    assert "PROBLEM" not in check
    assert "first: shipped up to" in check
    for name in ("union", "first", "second"):
        text = (fleet.directory / name / "messages.txt").read_text()
        assert "198.51.100" not in text
        assert "zqorv" not in text
        assert "Traceback" not in text
