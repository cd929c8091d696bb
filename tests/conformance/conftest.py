"""What the suite shares: a zygote for daemons, and both kinds of reader."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from conformance.readers import Daemon
from conformance.site import Case
from conformance.zygote import Zygote


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """One process that forks all daemons of this run."""
    parent = Zygote()
    yield parent
    parent.close()


@pytest.fixture
def daemon(tmp_path: Path, zygote: Zygote) -> Iterator[Callable[[Case], Daemon]]:
    """Makes daemons that do not outlive the test."""
    made: list[Daemon] = []

    def make(case: Case = Case()) -> Daemon:  # noqa: B008 - a frozen value
        made.append(Daemon(tmp_path, case, zygote))
        return made[-1]

    yield make
    for one in made:
        one.close()


class PreparedZygote(Zygote):
    """A zygote whose children run some Python before they become daemons."""

    def __init__(self, prelude: str) -> None:
        script = (
            "import sys\n"
            "sys.path.insert(0, sys.argv[1])\n"
            "from conformance import zygote\n"
            "def become(question, become=zygote._become):\n"
            "    exec(sys.argv[2], {})\n"
            "    become(question)\n"
            "zygote._become = become\n"
            "zygote._main()\n"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, str(Path(__file__).parents[1]), prelude],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="session")
def prepared_zygotes() -> Iterator[dict[str, PreparedZygote]]:
    """Zygotes by what their children run first."""
    parents: dict[str, PreparedZygote] = {}
    yield parents
    for parent in parents.values():
        parent.close()


@pytest.fixture
def prepared(
    tmp_path: Path, prepared_zygotes: dict[str, PreparedZygote]
) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons that run some Python first: with other rights, or parts that fail."""
    made: list[Daemon] = []

    def make(prelude: str, case: Case = Case(), directory: Path = tmp_path) -> Daemon:  # noqa: B008
        parent = prepared_zygotes.get(prelude) or PreparedZygote(prelude)
        prepared_zygotes[prelude] = parent
        made.append(Daemon(directory, case, parent))
        return made[-1]

    yield make
    for one in made:
        one.close()


CASES = (Case(), Case(end="kill"), Case(bell="polling"), Case(bell="polling", end="kill"))


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    """Both bells, each with both ends."""
    found: Case = request.param
    return found


@pytest.fixture
def ask() -> Iterator[Callable[[Daemon, str], httpx.Response]]:
    """Asks a running daemon for a path, past any proxy."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield lambda daemon, path: client.get(daemon.url() + path)


@pytest.fixture
def reasons(ask: Callable[[Daemon, str], httpx.Response]) -> Callable[[Daemon], str]:
    """Why a daemon is not ready; empty when it is. It must be healthy in any case."""

    def told(daemon: Daemon) -> str:
        answer = ask(daemon, "/readyz")
        found = " ".join(answer.json()["reasons"])
        assert answer.status_code == (503 if found else 200)
        assert ask(daemon, "/healthz").json() == {"healthy": True}
        return found

    return told


class Nobody:
    """A user without rights, and a directory of his that everybody can reach."""

    def __init__(self, directory: Path) -> None:
        found = pwd.getpwnam("nobody")
        self.directory = directory
        self.user, self.group = found.pw_uid, found.pw_gid

    @property
    def prelude(self) -> str:
        """Makes a daemon his; what it needs of Python may lie where only root may look."""
        return (
            "import os, uvicorn.loops.auto, uvicorn.protocols.http.h11_impl\n"
            f"os.setgroups([]); os.setgid({self.group}); os.setuid({self.user})\n"
        )

    def own(self) -> None:
        """Give him everything in the directory."""
        for path in (self.directory, *self.directory.rglob("*")):
            os.chown(path, self.user, self.group, follow_symlinks=False)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """This process is his for as long as the block lasts."""
        groups = os.getgroups()
        os.setgroups([])
        os.setresgid(self.group, self.group, 0)
        os.setresuid(self.user, self.user, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)
            os.setresgid(0, 0, 0)
            os.setgroups(groups)


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
def need() -> Callable[[str], str]:
    """The path of a program; without it the test skips, but fails under CI."""

    def path(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            if os.environ.get("CI") == "true":
                pytest.fail(f"{name} is not installed, and CI must have it")
            pytest.skip(f"{name} is not installed")
        return found

    return path
