"""Hostile surroundings: endless lines, no rights, no descriptors, damaged files."""

from __future__ import annotations

import json
import os
import pwd
import resource
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from donkeywatch import config
from donkeywatch.counting.windows import SECOND
from donkeywatch.engine import Engine
from donkeywatch.lab import demo
from donkeywatch.lab.simulate import Simulation
from donkeywatch.sources.follow import Follower
from donkeywatch.sources.log import Log
from support import NOW, outcomes

SIM = Simulation(start=datetime(2026, 9, 28, tzinfo=UTC), hours=1, queries=50, addresses=50)
LINE = "2026-11-23T12:00:00.000Z\t192.0.2.1\tzqorv {}\n"

PRELUDE = """
import json, os, sys
from pathlib import Path
from donkeywatch import config
from donkeywatch.engine import Engine
from donkeywatch.errors import DonkeywatchError
from donkeywatch.sources.follow import Follower
from donkeywatch.sources.log import Log

place, now = Path(sys.argv[1]), int(sys.argv[2])
# Only now: the interpreter and its packages may lie where nobody may look.
os.setgroups([])
os.setgid(int(sys.argv[4]))
os.setuid(int(sys.argv[3]))
numbers = iter(range(1, 1000))

def follow(stored=(), fresh=True):
    log = Log("main", place / "search.log")
    return Follower(log, b"k" * 32, stored, numbers.__next__, fresh=fresh)

def read(follower, at):
    follower.scan(at)
    data = b""
    while (block := follower.read(at)) is not None:
        data += block.data
    return data.count(b"\\n")

def say(**facts):
    print(json.dumps(facts))
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory that belongs to nobody, reachable by everyone, with settings."""
    # A fixed directory of the user's own would be closed to others.
    import tempfile

    directory = Path(tempfile.mkdtemp(prefix="hostile-"))
    directory.chmod(0o755)
    demo.write_settings(SIM, directory)
    (directory / "state").mkdir(mode=0o700)
    for path in [directory, *directory.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, _nobody(), -1)
    yield directory
    shutil.rmtree(directory)


def _nobody() -> int:
    return pwd.getpwnam("nobody").pw_uid


def as_nobody(place: Path, script: str) -> dict[str, object]:
    """Run a script without root's rights, which know no forbidden file; what it said."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    somebody = pwd.getpwnam("nobody")
    done = subprocess.run(
        [
            sys.executable, "-c", PRELUDE + textwrap.dedent(script),
            place, str(NOW), str(somebody.pw_uid), str(somebody.pw_gid),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


# -- rights ---------------------------------------------------------------------------------


def test_a_log_that_may_not_be_read_for_a_while_is_not_gone(place: Path) -> None:
    """EACCES after a rotation: nothing is concluded from it, and nothing is lost by it."""
    found = as_nobody(
        place,
        """
        log = place / "search.log"
        log.write_text("a\\n" * 10)
        follower = follow()
        first = read(follower, 1000)
        log.rename(place / "search.log.1")
        log.write_text("b\\n" * 5)
        log.chmod(0)
        with (place / "search.log.1").open("a") as old:
            old.write("a\\n" * 3)
        second = read(follower, 2000)
        blind, error = follower.blind, follower.error
        for at in range(3000, 90000, 1000):
            assert read(follower, at) == 0
        log.chmod(0o600)
        third = read(follower, 91000)
        say(read=[first, second, third], blind=blind, error=error, good=not follower.blind,
            events=sorted(follower.events))
        """,
    )
    assert found["read"] == [10, 3, 5]
    assert found["blind"]
    assert "Permission denied" in str(found["error"])
    assert found["good"]


def test_a_directory_that_may_not_be_listed_for_a_while_stops_nothing(place: Path) -> None:
    """A minute after a rotation the directory is closed for a moment: no crash."""
    found = as_nobody(
        place,
        """
        (place / "logs").mkdir()
        place = place / "logs"
        log = place / "search.log"
        log.write_text("a\\n" * 10)
        follower = follow()
        first = read(follower, 1000)
        log.rename(place / "search.log.1")
        log.write_text("b\\n" * 5)
        second = read(follower, 2000)
        read(follower, 10000)
        place.chmod(0)
        for at in range(11000, 90000, 1000):
            assert read(follower, at) == 0
        blind = follower.blind
        place.chmod(0o700)
        with log.open("a") as more:
            more.write("c\\n" * 4)
        say(read=[first, second, read(follower, 91000)], blind=blind)
        """,
    )
    assert found["read"] == [10, 5, 4]
    assert found["blind"]


def test_a_rotated_file_that_may_not_be_read_is_not_caught_up_with(place: Path) -> None:
    """Its unread tail is there, so not everything has been read; later it is."""
    found = as_nobody(
        place,
        """
        log = place / "search.log"
        log.write_text("a\\n" * 10)
        follower = follow()
        first = read(follower, 1000)
        stored = follower.positions()
        follower.close()
        with log.open("a") as more:
            more.write("b\\n" * 5)
        old = place / "search.log.1"
        log.rename(old)
        old.chmod(0)
        log.write_text("c\\n")
        follower = follow(stored, fresh=False)
        second = read(follower, 2000)
        read(follower, 3000)
        caught_up, error = follower.caught_up, follower.error
        old.chmod(0o600)
        say(read=[first, second, read(follower, 4000)], caught_up=caught_up, error=error)
        """,
    )
    assert found["read"] == [10, 1, 5]
    assert "Permission denied" in str(found["error"])
    assert not found["caught_up"]


def start(place: Path) -> str:
    """The error that starting an engine as nobody gives."""
    found = as_nobody(
        place,
        """
        try:
            Engine(config.load(place / "donkeywatch.toml", {}), now).close()
            say(error="none")
        except DonkeywatchError as error:
            say(error=type(error).__name__, remedy=error.remedy)
        """,
    )
    assert found["error"] == "none" or found["remedy"]
    return str(found["error"])


def test_a_state_directory_of_somebody_else_is_refused(place: Path) -> None:
    """Read-only or another user's: an error with a remedy, not a traceback."""
    state = place / "state"
    os.chown(state, 0, 0)
    assert start(place) == "StateError"
    state.chmod(0o755)
    assert start(place) == "StateError"
    assert list(state.iterdir()) == []


def test_a_database_of_somebody_else_is_refused(place: Path) -> None:
    """The database belongs to root: an error with a remedy, and it stays as it is."""
    assert start(place) == "none"
    database = place / "state" / "donkeywatch.db"
    os.chown(database, 0, 0)
    database.chmod(0o600)
    before = database.read_bytes()
    assert start(place) == "StateError"
    assert database.read_bytes() == before


def test_a_lock_of_somebody_else_is_refused(place: Path) -> None:
    """After one `backfill` by root the lock is root's: an error with a remedy."""
    lock = place / "state" / "lock"
    lock.touch(mode=0o600)
    assert start(place) == "StateError"


def test_keys_that_cannot_be_read_are_refused(place: Path) -> None:
    """A key of somebody else, an open directory of keys, a missing lasting key."""
    assert start(place) == "none"
    keys = place / "state" / "keys"
    keys.chmod(0o755)
    assert start(place) == "ConfigError"
    keys.chmod(0o700)
    key = keys / "install.key"
    os.chown(key, 0, 0)
    assert start(place) == "ConfigError"
    os.chown(key, _nobody(), -1)
    assert start(place) == "none"
    key.chmod(0o644)
    assert start(place) == "ConfigError"
    key.unlink()
    assert start(place) == "ConfigError"


# -- descriptors ----------------------------------------------------------------------------


def test_out_of_descriptors_nothing_is_taken_for_deleted(tmp_path: Path) -> None:
    """EMFILE for two minutes around rotations: blind while it lasts, exact afterwards."""
    log = tmp_path / "search.log"
    log.write_text("a\n" * 10)
    numbers = iter(range(1, 100))
    follower = Follower(Log("main", log), b"k" * 32, (), numbers.__next__, fresh=True)

    def read(at: int) -> int:
        follower.scan(at)
        lines = 0
        while (block := follower.read(at)) is not None:
            lines += block.data.count(b"\n")
        return lines

    assert read(1000) == 10
    log.rename(tmp_path / "search.log.1")
    log.write_text("b\n" * 10)
    assert read(2000) == 10
    assert read(9000) == 0
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    log.rename(tmp_path / "search.log.2")
    log.write_text("c\n" * 10)
    spare = os.open("/dev/null", os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
    try:
        during = sum(read(at) for at in range(10_000, 130_000, 1000))
        blind, error = follower.blind, follower.error
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert during == 0
    assert blind
    assert "Too many open files" in str(error)
    with (tmp_path / "search.log.2").open("a") as old:
        old.write("b\n" * 3)
    assert sum(read(at) for at in range(131_000, 140_000, 1000)) == 13
    follower.close()


# -- memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1 << 20, 100 << 20], ids=["1 MiB", "100 MiB"])
def test_a_line_of_any_length_takes_bounded_memory(tmp_path: Path, size: int) -> None:
    """The over-long line is dropped in pieces, and the next line is counted."""
    log = tmp_path / "search.log"
    log.write_bytes(b"first\n")
    with log.open("ab") as file:
        for _ in range(size >> 20):
            file.write(b"z" * (1 << 20))
        file.write(b"\nnext\n")
    numbers = iter(range(1, 100))
    follower = Follower(Log("main", log), b"k" * 32, (), numbers.__next__, fresh=True)
    lines, too_long = [], 0
    tracemalloc.start()
    follower.scan(1)
    while (block := follower.read(1)) is not None:
        lines += block.data.splitlines()
        too_long += block.too_long
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    follower.close()
    assert (lines, too_long) == ([b"first", b"next"], 1)
    assert peak < 8 << 20


def test_an_endless_line_takes_bounded_memory_over_many_looks(tmp_path: Path) -> None:
    """A writer that never writes a line feed: each look drops what came, also after stops."""
    demo.write_settings(SIM, tmp_path)
    settings = config.load(tmp_path / demo.SETTINGS, {})
    log = tmp_path / "search.log"
    log.write_text(LINE.format(0))
    now = NOW
    tracemalloc.start()
    for number in range(30):
        engine = Engine(settings, now)
        with log.open("ab") as file:
            file.write(b"z" * 700_000)
        for _ in range(3):
            now += SECOND
            engine.tick(now)
        assert engine.status().sources[0].lag_bytes == 0
        engine.close()
        if number == 3:
            tracemalloc.reset_peak()
            early = tracemalloc.get_traced_memory()[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - early < 24 << 20
    with log.open("a") as more:
        more.write("\n" + LINE.format(1))
    engine = Engine(settings, now)
    engine.tick(now + SECOND)
    engine.close()
    assert outcomes(tmp_path / "state") == {"query": 2, "too_long": 1}


# -- damage ---------------------------------------------------------------------------------


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """A directory whose engine has counted and stopped cleanly."""
    demo.write_settings(SIM, tmp_path)
    (tmp_path / "search.log").write_text("".join(LINE.format(n) for n in range(3000)))
    engine = Engine(config.load(tmp_path / demo.SETTINGS, {}), NOW)
    engine.tick(NOW + SECOND)
    engine.close()
    assert not list((tmp_path / "state").glob("*-wal"))
    return tmp_path


@pytest.mark.parametrize(
    "damage",
    [
        "zeroed page", "truncated", "garbage", "foreign",
        pytest.param("emptied"),
    ],
)  # fmt: skip
def test_a_damaged_database_is_refused_and_left_as_it_is(counted: Path, damage: str) -> None:
    """StateError (exit code 3) names a remedy; never a silent new start."""
    path = counted / "state" / "donkeywatch.db"
    content = path.read_bytes()
    pages = len(content) // 4096
    with sqlite3.connect(path) as db:
        root = db.execute("select rootpage from sqlite_master where name = 'counters'").fetchone()
    db.close()
    at = (root[0] - 1) * 4096
    broken = {
        "zeroed page": content[:at] + bytes(4096) + content[at + 4096 :],
        "truncated": content[: pages // 2 * 4096],
        "garbage": b"zqorv" * 2000,
        "foreign": content[:100] + b"\xa5" * 4096 + content[4196:],
        "emptied": b"",
    }[damage]
    path.write_bytes(broken)
    settings = config.load(counted / demo.SETTINGS, {})
    refusal = None
    try:
        engine = Engine(settings, NOW)
        engine.tick(NOW + SECOND)
        engine.close()
    except Exception as error:
        refusal = error
    assert type(refusal).__name__ == "StateError", refusal
    assert "restore" in str(refusal)
    assert path.read_bytes() == broken


def test_a_lost_write_ahead_log_repeats_and_skips_nothing(counted: Path) -> None:
    """After a kill the WAL is cut at any byte: counts and position still agree."""
    state = counted / "state"
    settings = config.load(counted / demo.SETTINGS, {})
    engine = Engine(settings, NOW)
    base = counted / "base"
    for number in range(20):
        with (counted / "search.log").open("a") as log:
            log.write("".join(LINE.format(f"{number} {n}") for n in range(50)))
        engine.tick(NOW + (number + 2) * SECOND)
    shutil.copytree(state, base)
    engine.close()
    wal = (base / "donkeywatch.db-wal").read_bytes()
    assert len(wal) > 100_000
    for part in range(0, 12):
        shutil.rmtree(state)
        shutil.copytree(base, state)
        (state / "donkeywatch.db-wal").write_bytes(wal[: len(wal) * part // 12 + part * 31])
        (state / "donkeywatch.db-shm").unlink(missing_ok=True)
        engine = Engine(settings, NOW)
        engine.tick(NOW + 60 * SECOND)
        engine.close()
        assert outcomes(state) == {"query": 4000}, part
