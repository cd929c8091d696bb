"""What `check` says of the addresses that the daemon is to listen on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from donkeywatch.errors import AddressUnavailable, DonkeywatchError
from donkeywatch.publish.http.app import create_app
from donkeywatch.publish.http.server import Server
from donkeywatch.runtime.checks import run_checks
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Release, Settings
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import NOW, START, engine, simulated


@dataclass(frozen=True)
class Daemon:
    """A daemon that answers, and its settings."""

    settings: Settings

    def at_its_port(self, settings: Settings) -> Settings:
        """Other settings with the port of this one."""
        return settings.model_copy(update={"http": self.settings.http})


def made(directory: Path) -> Settings:
    """Settings of a small simulated server, with a free port."""
    sim = Simulation(seed=1, start=START, hours=24, queries=9, addresses=10)
    settings = loader.load(simulated(directory, sim).settings, {})
    return settings.model_copy(update={"http": settings.http.model_copy(update={"port": 0})})


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """One that answers for its state directory."""
    settings = made(tmp_path / "own")
    with engine(tmp_path / "own" / "donkeywatch.toml", NOW) as opened:
        server = Server(create_app(lambda: settings, opened.status), settings.http)
        server.start()
        port = int(server.url.rpartition(":")[2])
        http = settings.http.model_copy(update={"port": port})
        try:
            yield Daemon(settings.model_copy(update={"http": http}))
        finally:
            server.stop()


def problems(settings: Settings) -> dict[str, DonkeywatchError | None]:
    """What is wrong with each address."""
    checks = {check.name: check.error for check in run_checks(settings, with_logs=False)}
    return {name: checks[name] for name in ("web server", "public server") if name in checks}


@contextmanager
def taken_port() -> Iterator[int]:
    """A port that something else listens at."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def with_release(settings: Settings, port: int) -> Settings:
    """The same with a server of released figures."""
    return settings.model_copy(update={"release": Release(port=port)})


def test_the_port_of_its_own_daemon_is_no_problem(daemon: Daemon) -> None:
    """It runs already, and listens where it should."""
    assert problems(daemon.settings) == {"web server": None}


def test_the_port_of_another_daemon_is_taken(daemon: Daemon, tmp_path: Path) -> None:
    """It would never be this one's, and `status` would ask the wrong one."""
    (error,) = problems(daemon.at_its_port(made(tmp_path / "other"))).values()
    assert isinstance(error, AddressUnavailable)
    assert "another state directory answers there" in error.problem


def test_a_free_port_is_no_problem(tmp_path: Path) -> None:
    """For neither server."""
    assert problems(with_release(made(tmp_path), 0)) == {
        "web server": None,
        "public server": None,
    }


def test_the_port_of_the_released_figures_is_tried(daemon: Daemon, tmp_path: Path) -> None:
    """It may be its own daemon's; where that does not run it is somebody else's."""
    with taken_port() as port:
        assert problems(with_release(daemon.settings, port))["public server"] is None
        error = problems(with_release(made(tmp_path / "other"), port))["public server"]
    assert isinstance(error, AddressUnavailable)
    assert "release: cannot listen" in error.problem


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Where rotated files should be, and where a link to the state leads to."""
    settings = made(tmp_path / "own")
    source = settings.source[0].model_copy(update={"rotated": ("nowhere/search.log*",)})
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere" / "at" / "all")
    changed = settings.model_copy(update={"source": (source,), "state": link})
    source.path.touch()
    errors = {check.name: str(check.error) for check in run_checks(changed)}
    assert f"{link} is not a directory" in errors["state directory"]
    problem = f"{source.path.parent}/nowhere: no such directory, and `rotated` names it"
    assert problem in errors[f"source {source.name}"]
