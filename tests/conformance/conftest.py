"""What the suite shares: a fork_server for daemons, and both kinds of reader."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from conformance.cases import (
    CASES,
    Ask,
    Begun,
    Make,
    Prepared,
    Reasons,
)
from conformance.diary import (
    Clocks,
    Diary,
)
from conformance.fork_server import ForkServer
from conformance.readers import Daemon
from conformance.site import Case, Site
from conformance.surroundings import Nobody, PreparedForkServer, Shifted
from support.instruments import component


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """One process that forks all daemons of this run."""
    parent = ForkServer()
    yield parent
    parent.close()


@pytest.fixture
def daemon(tmp_path: Path, fork_server: ForkServer) -> Iterator[Callable[[Case], Daemon]]:
    """Makes daemons that do not outlive the test."""
    made: list[Daemon] = []

    def make(case: Case = Case()) -> Daemon:  # noqa: B008 - a frozen value
        made.append(Daemon(tmp_path, case, fork_server))
        return made[-1]

    yield make
    for item in made:
        _end(item)


def _end(daemon: Daemon) -> None:
    with suppress(ProcessLookupError):  # it has died, and a test has failed by it
        daemon.close()


@pytest.fixture(scope="session")
def prepared_fork_servers() -> Iterator[dict[str, PreparedForkServer]]:
    """ForkServers by what their children run first."""
    parents: dict[str, PreparedForkServer] = {}
    yield parents
    for parent in parents.values():
        parent.close()


@pytest.fixture
def prepared(
    tmp_path: Path, prepared_fork_servers: dict[str, PreparedForkServer]
) -> Iterator[Prepared]:
    """Makes daemons that run some Python first: with other rights, or parts that fail."""
    made: list[Daemon] = []

    def make(prelude: str, case: Case = Case(), directory: Path = tmp_path) -> Daemon:  # noqa: B008
        parent = prepared_fork_servers.get(prelude) or PreparedForkServer(prelude)
        prepared_fork_servers[prelude] = parent
        made.append(Daemon(directory, case, parent))
        return made[-1]

    yield make
    for item in made:
        _end(item)


@pytest.fixture
def begun(daemon: Make) -> Begun:
    """Starts a daemon on a site and lets it count ten lines; ``settings`` rewrites its settings."""

    def begin(
        case: Case, settings: Callable[[str], str] = str, reader: Daemon | None = None
    ) -> tuple[Daemon, Site]:
        reader = reader or daemon(case)
        reader.settings.write_text(settings(reader.settings.read_text()))
        site = Site(reader.settings.parent, reader, case)
        reader.start()
        site.write(10)
        site.look()
        return reader, site

    return begin


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    """Both bells, each with both ends."""
    result: Case = request.param
    return result


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Asks a running daemon for a path, past any proxy."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield lambda daemon, path: client.get(daemon.url() + path)


@pytest.fixture
def reasons(ask: Ask) -> Reasons:
    """Why a daemon is not ready; empty when it is. It must be healthy in any case."""

    def tell_reason(daemon: Daemon) -> str:
        answer = ask(daemon, "/readyz")
        document = " ".join(answer.json()["reasons"])
        assert answer.status_code == (503 if document else 200)
        assert ask(daemon, "/healthz").json() == {"healthy": True}
        return document

    return tell_reason


@pytest.fixture
def nobody() -> Iterator[Nobody]:
    """Somebody for whom there are forbidden files, which there are not for root."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    # A directory in the one of this test's user would be closed to him.
    directory = Path(tempfile.mkdtemp(prefix="nobody-"))
    directory.chmod(0o755)
    yield Nobody(directory)
    shutil.rmtree(directory)


@pytest.fixture
def his(nobody: Nobody, prepared: Prepared, begun: Begun) -> Begun:
    """Like `begun`, with a daemon of that somebody's; a prelude may do more to it."""

    def begin(case: Case, more: str = "") -> tuple[Daemon, Site]:
        reader = prepared(nobody.prelude + more, case, nobody.directory)
        (nobody.directory / "logs").mkdir()
        nobody.owned_by()
        return begun(case, reader=reader)

    return begin


@pytest.fixture
def need() -> Callable[[str], str]:
    """The path of a program; without it the test skips, but fails under CI."""
    return component


@pytest.fixture
def shifted(tmp_path: Path) -> Iterator[Shifted]:
    """Real processes under libfaketime; without it the test skips, but fails under CI."""
    result = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not result:
        if os.environ.get("CI"):
            pytest.fail("libfaketime is not installed, and CI must have it")
        pytest.skip("libfaketime is not installed (Debian: faketime)")
    parent = Shifted(tmp_path, result[0])
    yield parent
    parent.close()


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    """The log in the test's own directory."""
    return Diary(tmp_path)


@pytest.fixture
def stepped(tmp_path: Path) -> Iterator[Callable[[Case, int], Clocks]]:
    """Makes engines with clocks that stand at a time (ms)."""
    made: list[Clocks] = []

    def make(case: Case, now: int) -> Clocks:
        made.append(Clocks(tmp_path, case, now))
        return made[-1]

    yield make
    for item in made:
        if item.engine is not None:
            item.engine.close()


@pytest.fixture
def run(tmp_path: Path, fork_server: ForkServer) -> Callable[..., tuple[int, str]]:
    """Runs a verb as a real process, which inherits nothing of the daemon's."""
    numbers = itertools.count(1)

    def verb(*argv: str | Path) -> tuple[int, str]:
        """Exit code and everything it says."""
        message = tmp_path / f"said-{next(numbers)}.txt"
        pid = fork_server.fork([str(part) for part in argv], message)
        until = time.monotonic() + 20
        while (code := fork_server.poll(pid)) is None:
            assert time.monotonic() < until, message.read_text()
            time.sleep(0.01)
        return code, message.read_text()

    return verb
