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


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons that run some Python first: with other rights, or parts that fail."""
    made: list[tuple[PreparedZygote, Daemon]] = []

    def make(prelude: str, case: Case, directory: Path = tmp_path) -> Daemon:
        parent = PreparedZygote(prelude)
        made.append((parent, Daemon(directory, case, parent)))
        return made[-1][1]

    yield make
    for parent, one in made:
        one.close()
        parent.close()


class Nobody:
    """A user without rights, and a directory of his that everybody can reach."""

    def __init__(self, directory: Path) -> None:
        found = pwd.getpwnam("nobody")
        self.directory = directory
        self.user, self.group = found.pw_uid, found.pw_gid
        self.prelude = (
            "import os, uvicorn.loops.auto, uvicorn.protocols.http.h11_impl\n"
            f"os.setgroups([]); os.setgid({self.group}); os.setuid({self.user})"
        )
        """Makes a daemon his."""

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
