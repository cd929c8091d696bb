"""What the suite shares: a zygote for daemons, and both kinds of reader."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from conformance.readers import Daemon, Stepped
from conformance.site import Case, Reader, Site
from conformance.zygote import Zygote

Make = Callable[[Case], Daemon]
Prepared = Callable[..., Daemon]
Begun = Callable[..., tuple[Daemon, Site]]
Ask = Callable[[Daemon, str], httpx.Response]
Reasons = Callable[[Daemon], str]
"""Types of the fixtures below."""


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
        _end(one)


def _end(daemon: Daemon) -> None:
    with suppress(ProcessLookupError):  # it has died, and a test has failed by it
        daemon.close()


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
def prepared(tmp_path: Path, prepared_zygotes: dict[str, PreparedZygote]) -> Iterator[Prepared]:
    """Makes daemons that run some Python first: with other rights, or parts that fail."""
    made: list[Daemon] = []

    def make(prelude: str, case: Case = Case(), directory: Path = tmp_path) -> Daemon:  # noqa: B008
        parent = prepared_zygotes.get(prelude) or PreparedZygote(prelude)
        prepared_zygotes[prelude] = parent
        made.append(Daemon(directory, case, parent))
        return made[-1]

    yield make
    for one in made:
        _end(one)


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


CASES = (Case(), Case(end="kill"), Case(bell="polling"), Case(bell="polling", end="kill"))


TWO = pytest.mark.parametrize("case", [Case(), Case(bell="polling", end="kill")], ids=str)
"""Each bell and each end, where all of them together would take too long."""


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    """Both bells, each with both ends."""
    found: Case = request.param
    return found


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Asks a running daemon for a path, past any proxy."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield lambda daemon, path: client.get(daemon.url() + path)


@pytest.fixture
def reasons(ask: Ask) -> Reasons:
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


@contextmanager
def tmpfs(place: Path, size: str) -> Iterator[None]:
    """A small file system of its own at a directory."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    place.mkdir(mode=0o700, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "donkeywatch-test", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path) -> Path:
    """Ballast that leaves not a byte."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def refused(daemon: Daemon, code: int) -> str:
    """The message of a daemon that does not start: a fact and a remedy, no traceback."""
    before = len(daemon.said())
    daemon.launch()
    assert daemon.wait() == code, daemon.said()
    said = daemon.said()[before:]
    assert "remedy: " in said
    assert "Traceback" not in said
    assert "listening" not in said
    return said


@pytest.fixture
def his(nobody: Nobody, prepared: Prepared, begun: Begun) -> Begun:
    """Like `begun`, with a daemon of that somebody's; a prelude may do more to it."""

    def begin(case: Case, more: str = "") -> tuple[Daemon, Site]:
        reader = prepared(nobody.prelude + more, case, nobody.directory)
        (nobody.directory / "logs").mkdir()
        nobody.own()
        return begun(case, reader=reader)

    return begin


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


# -- event time -----------------------------------------------------------------------------

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
LENGTHS = {"hour": HOUR, "week": 7 * DAY}


def stamp(time: int) -> str:
    """A time in ms as most servers write it."""
    written = (EPOCH + timedelta(milliseconds=time)).isoformat(timespec="milliseconds")
    return written.replace("+00:00", "Z")


class Diary:
    """What a server wrote and when, and the figures that follow from it by brute force."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "logs" / "search.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.state = directory / "state"
        self.asked: list[tuple[int, str]] = []
        """Time (ms) and address of every query that has to be counted."""
        self.outcomes: Counter[str] = Counter()
        self._serial = itertools.count(1)

    def write(
        self,
        *times: int,
        address: str | None = None,
        outcome: str = "query",
        stamp: Callable[[int], str] = stamp,
        log: Path | None = None,
    ) -> None:
        """Log queries of these times (ms), each of an address of its own unless one is given."""
        lines = []
        for at in times:
            number = next(self._serial)
            who = address or f"2001:db8::{number >> 16:x}:{number & 0xFFFF:x}"
            lines.append(f"{stamp(at)}\t{who}\tzqorv {number}\n")
            self.outcomes[outcome] += 1
            if outcome == "query":
                self.asked.append((at, who))
        with (log or self.log).open("a") as file:
            file.write("".join(lines))

    def truth(self, start: int, end: int) -> tuple[int, int, int]:
        """Queries, distinct addresses and sum of squares of [start, end) ms."""
        asked = Counter(who for time, who in self.asked if start <= time < end)
        return asked.total(), len(asked), sum(n * n for n in asked.values())

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database."""
        path = self.state / "donkeywatch.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(sql, values).fetchall()

    def lines(self) -> int:
        """How many lines the database has counted, whatever they are; 0 before there is one."""
        try:
            found = self.query("select sum(value) from counters where name = 'lines'")
        except sqlite3.OperationalError:
            return 0
        return found[0][0] or 0

    def exact(self) -> None:
        """Every line has its outcome, and every query is in one hour and one week."""
        lines = self.query(
            "select detail, sum(value) from counters where name = 'lines' group by detail"
        )
        assert {name: n for name, n in lines if n} == +self.outcomes
        assert not self.query("select * from counters where name = 'invariant_violations'")
        for kind, length in LENGTHS.items():
            total = 0
            for start, until, queries, addresses, squares, closed in self.query(
                "select start, until, queries, addresses, sum_qq, closed from windows"
                " where kind = ?",
                kind,
            ):
                # 1970 began with a Thursday; weeks with a Monday.
                assert (start - (4 * DAY if kind == "week" else 0)) % length == 0
                assert until - start == length
                told = self.truth(start, until)
                found = (queries, addresses, squares) if closed else (queries, *told[1:])
                assert found == told, (kind, stamp(start))
                total += queries
            assert total == len(self.asked), kind

    def closed(self, kind: str) -> set[int]:
        """Starts of the windows of a kind that are closed."""
        found = self.query("select start from windows where kind = ? and closed = 1", kind)
        return {start for (start,) in found}

    def rolling(self) -> dict[str, int]:
        """The end of each rolling window, whose figures must be the truth between its bounds."""
        shown = self.query(
            "select kind, start, until, queries, addresses, sum_qq from windows"
            " where kind not in ('hour', 'week')"
        )
        assert len(shown) == 3
        for kind, start, until, *found in shown:
            assert tuple(found) == self.truth(start, until), (kind, stamp(until))
        return {kind: until for kind, _, until, *_ in shown}


class Clocks(Stepped):
    """An engine stepped with two clocks: the wall clock may jump, the steady one never does."""

    def __init__(self, directory: Path, case: Case, now: int) -> None:
        super().__init__(directory, case)
        self.now = self.steady = now

    def tick(self, step: int = Stepped.STEP) -> None:
        """Let both clocks go on, and look."""
        assert self.engine is not None
        self.now += step
        self.steady += step
        while self.engine.tick(self.now, self.steady):
            pass


class Shifted(Zygote):
    """Starts real processes whose wall clock libfaketime shifts, while they run, by `shift`."""

    # This libfaketime's clock_nanosleep, which Python sleeps with, takes the monotonic clock for
    # the shifted one; select does not.
    PROGRAM = (
        "import select, time; time.sleep = lambda s: select.select([], [], [], s) and None\n"
        "from donkeywatch import cli; cli.main()"
    )

    def __init__(self, directory: Path, library: Path) -> None:
        self._clock = directory / "clock"
        self._library = library
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._shift = 0
        self.shift(0)

    def shift(self, ms: int, more: str = "") -> None:
        """Set the wall clock so far ahead of the real one; whole seconds."""
        part = self._clock.with_suffix(".part")
        part.write_text(f"{ms // 1000:+d}{more}\n")
        part.replace(self._clock)
        self._shift = ms // 1000 * 1000

    def now(self) -> int:
        """The wall clock of its processes, ms UTC."""
        return time.time_ns() // 1_000_000 + self._shift

    def fork(self, argv: list[str], errors: Path, files: int | None = None) -> int:
        """Start a process that is not forked."""
        shifting = {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        with errors.open("ab") as sink:
            started = subprocess.Popen(
                [sys.executable, "-c", self.PROGRAM, *argv],
                env={**os.environ, **shifting},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )
        self._processes[started.pid] = started
        return started.pid

    def poll(self, pid: int) -> int | None:
        """The exit code; None while it runs."""
        return self._processes[pid].poll()

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(10)


@pytest.fixture
def shifted(tmp_path: Path) -> Iterator[Shifted]:
    """Real processes under libfaketime; without it the test skips, but fails under CI."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        if os.environ.get("CI"):
            pytest.fail("libfaketime is not installed, and CI must have it")
        pytest.skip("libfaketime is not installed (Debian: faketime)")
    parent = Shifted(tmp_path, found[0])
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
    for one in made:
        if one.engine is not None:
            one.engine.close()


@pytest.fixture
def run(tmp_path: Path, zygote: Zygote) -> Callable[..., tuple[int, str]]:
    """Runs a verb as a real process, which inherits nothing of the daemon's."""
    numbers = itertools.count(1)

    def verb(*argv: str | Path) -> tuple[int, str]:
        """Exit code and everything it says."""
        said = tmp_path / f"said-{next(numbers)}.txt"
        pid = zygote.fork([str(part) for part in argv], said)
        until = time.monotonic() + 20
        while (code := zygote.poll(pid)) is None:
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.01)
        return code, said.read_text()

    return verb


def amend(settings: Path, old: str, new: str) -> None:
    """Change a line of a settings file."""
    text = settings.read_text()
    assert old in text
    settings.write_text(text.replace(old, new, 1))


def end(reader: Reader, case: Case) -> None:
    """The reader's life ends as the case says."""
    if case.end == "kill":
        reader.kill()
    else:
        reader.stop()


def again(reader: Reader, case: Case) -> None:
    """The reader's life ends as the case says, and another begins."""
    end(reader, case)
    reader.start()


stepped_ends = pytest.mark.parametrize(
    "ending", [None, Case(end="stop"), Case(end="kill")], ids=["runs on", "stop", "kill"]
)
"""An engine that is stepped has no bell; it runs on, or restarts after both ends."""
Engines = Callable[[Case, int], Clocks]
Daemons = Callable[[Case], Daemon]
Run = Callable[..., tuple[int, str]]
