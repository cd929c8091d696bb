"""F: what the system refuses for a while: rights, names, descriptors, notices, reads."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.cases import TWO, Begun, Make, Reasons
from conformance.readers import Daemon, Stepped
from conformance.site import Case, Site
from conformance.surroundings import Nobody
from donkeywatch.counting.calendar import MINUTE

FORBIDDEN = "Permission denied"


def close(site: Site, what: str) -> Path:
    """Take a right away in the course of a rotation; the path that is closed."""
    site.rename()
    with site.rotated().open("ab") as old:
        old.write(site.lines(3))
    if what != "rotated":
        site.write(5)
    path = {"log": site.path, "directory": site.directory}.get(what, site.rotated())
    path.chmod(0)
    return path


@pytest.mark.scenario("F01")
@pytest.mark.parametrize("what", ["log", "directory"])
@pytest.mark.parametrize("end", ["none", "stop", "kill"])
def test_forbidden_for_a_minute_and_a_half(nobody: Nobody, what: str, end: str) -> None:
    """From what may not be read nothing is concluded, however long; nothing is lost by it."""
    reader = Stepped(nobody.directory, Case())
    site = Site(nobody.directory, reader, Case())
    nobody.owned_by()
    with nobody.acting():
        reader.start()
    site.write(10)
    with nobody.acting():
        site.look()
    closed = close(site, what)
    with nobody.acting():
        for _ in range(90):
            reader.tick()
        assert reader.engine is not None
        assert FORBIDDEN in " ".join(reader.engine.status().readiness_problems(0))
        if end != "none":
            reader.stop() if end == "stop" else reader.kill()
            reader.start()
    closed.chmod(0o755)
    with nobody.acting():
        assert site.outcome() == (0, 0)
        assert reader.engine.status().readiness_problems(0) == []
        reader.stop()


@pytest.mark.scenario("F01")
@pytest.mark.parametrize("what", ["log", "directory", "rotated"])
@TWO
def test_forbidden_and_allowed_again(his: Begun, case: Case, reasons: Reasons, what: str) -> None:
    """A real process without root's rights: it says so, lives and dies with it, and is exact."""
    reader, site = his(case)
    if what == "rotated":  # found at the next start only, when nothing holds it open
        site.end()
    closed = close(site, what)
    if what == "rotated":
        site.path.touch()
        reader.start()
        reader.until(lambda: '"caught_up":false' in ready(reader))
        closed.chmod(0o644)
    else:
        reader.until(lambda: FORBIDDEN in reasons(reader))
        site.restart()
        reader.until(lambda: FORBIDDEN in reasons(reader))
    closed.chmod(0o755)
    assert site.outcome() == (0, 0)
    reader.until(lambda: not reasons(reader))
    reader.stop()


def ready(reader: Daemon) -> str:
    """The raw answer about readiness."""
    with socket.create_connection(("127.0.0.1", int(reader.url().rpartition(":")[2]))) as client:
        client.sendall(b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


@pytest.mark.scenario("F02")
@pytest.mark.parametrize("what", ["log", "directory"])
def test_not_there_yet(
    daemon: Make, case: Case, tmp_path: Path, reasons: Reasons, what: str
) -> None:
    """Nothing to follow at the start, twice; it appears later."""
    reader = daemon(case)
    site = Site(tmp_path, reader, case)
    if what == "directory":
        site.directory.rmdir()
    reader.start()
    reader.until(lambda: "not there yet" in reasons(reader))
    site.restart()
    reader.until(lambda: "not there yet" in reasons(reader))
    site.directory.mkdir(exist_ok=True)
    site.write(10)
    assert site.outcome() == (0, 0)
    reader.until(lambda: not reasons(reader))
    reader.stop()


@pytest.mark.scenario("F02")
def test_a_directory_made_anew(begun: Begun, case: Case, reasons: Reasons) -> None:
    """Removed with all that was counted, and made again by whoever rotates so."""
    reader, site = begun(case)
    for restart in (False, True):
        shutil.rmtree(site.directory)
        reader.until(lambda: "not there yet" in reasons(reader))
        if restart:
            site.restart()
        site.directory.mkdir()
        site.write(10)
        assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("F02")
def test_the_bell_hangs_again(begun: Begun) -> None:
    """With looks a minute apart only the wakeup can tell: also of a directory made anew."""
    reader, site = begun(
        Case(), lambda text: text.replace("scan_interval = 1.0", "scan_interval = 60")
    )
    shutil.rmtree(site.directory)
    site.directory.mkdir()

    def rung() -> bool:
        site.write(1)
        time.sleep(0.1)  # another change a little later: the wakeup is what is waited for
        return reader.tally().total >= site.written - 5

    reader.until(rung)
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("F03")
def test_out_of_descriptors_for_two_minutes(tmp_path: Path) -> None:
    """EMFILE around rotations: blind while it lasts, nothing taken for deleted, exact later."""
    reader = Stepped(tmp_path, Case())
    site = Site(tmp_path, reader, Case())
    reader.start()
    site.write(10)
    site.look()
    site.rename()
    site.write(10)
    site.look()
    site.rename()
    site.write(10)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open(os.devnull, os.O_RDONLY)
    os.close(spare)
    assert reader.engine is not None
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
    try:
        for _ in range(120):
            reader.tick()
        message = reader.engine.status().readiness_problems(0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert "Too many open files" in " ".join(message)
    assert reader.tally().total == 20
    with site.rotated().open("ab") as old:
        old.write(site.lines(3))
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("F03")
def test_out_of_descriptors_while_running(begun: Begun, case: Case) -> None:
    """A real process is at its limit when the log rotates, twice; then it is raised again."""
    reader, site = begun(case)
    assert reader.pid is not None
    limits = resource.prlimit(reader.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(reader.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    for _ in range(2):
        site.rename()
        site.write(10)
    reader.until(lambda: "Too many open files" in reader.log_text())
    if case.end == "kill":
        site.restart()
    else:
        resource.prlimit(reader.pid, resource.RLIMIT_NOFILE, limits)
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("F03")
def test_too_few_descriptors_to_start(daemon: Make, tmp_path: Path) -> None:
    """Whatever the limit: it starts, or says what there is too little of."""
    for limit in range(8, 14):
        reader = daemon(Case())
        reader.errors.write_text("")
        reader.files = limit
        try:
            reader.start()
            reader.stop()
        except AssertionError:
            assert reader.wait() in (1, 3, 6, 7)
            assert "open files" in reader.log_text()
            assert "Traceback" not in reader.log_text()


DEAF = """
import donkeywatch.runtime.wakeup_watcher
def inotify():
    raise OSError(24, "Too many open files")
donkeywatch.runtime.wakeup_watcher.INotify = inotify
"""
EXHAUSTED = """
import ctypes, fcntl, os
libc = ctypes.CDLL(None)
while (descriptor := libc.inotify_init1(0)) >= 0:
    fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100)  # out of the way of what a daemon closes first
    os.close(descriptor)
"""


def watches(pid: int) -> int:
    """The inotify watches of a process, as the kernel tells them."""
    result = 0
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            result += entry.read_text().count("inotify wd:")
        except FileNotFoundError:
            continue
    return result


@pytest.mark.scenario("F04")
@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("how", ["patched", "exhausted"])
def test_no_inotify(nobody: Nobody, his: Begun, reasons: Reasons, how: str, end: str) -> None:
    """No watch can be had: the looks at the files alone keep up, through rotations and restarts."""
    case = Case(end="kill") if end == "kill" else Case()
    if how == "exhausted":
        if int(Path("/proc/sys/fs/inotify/max_user_instances").read_text()) > 1_000:
            pytest.skip("this system allows too many inotify instances to use them up")
        nobody.user = nobody.group = 54_321  # nobody else's processes are to suffer
    reader, site = his(case, EXHAUSTED if how == "exhausted" else DEAF)
    for turn in range(3):
        assert watches(reader.pid or 0) == 0
        site.rename()
        site.write(10)
        began = time.monotonic()
        site.look()
        assert time.monotonic() - began < 5
        if turn == 1:
            site.restart()
    assert site.outcome() == (0, 0)
    assert reasons(reader) == ""
    reader.stop()


@pytest.mark.scenario("F04")
def test_the_watches_can_be_seen(begun: Begun) -> None:
    """The kernel tells of the watches of a process that has some."""
    reader, _ = begun(Case())
    reader.until(lambda: watches(reader.pid or 0) > 0)
    reader.stop()


class Failing:
    """`os.pread` that fails while ``error`` is set, for all descriptors or for one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error, self.all = 0, True
        self.stale: set[int] = set()
        self._pread, self._close = os.pread, os.close
        monkeypatch.setattr(os, "pread", self)
        monkeypatch.setattr(os, "close", self.close)

    def close(self, descriptor: int) -> None:
        """A number that is given out again is another handle."""
        self.stale.discard(descriptor)
        self._close(descriptor)

    def __call__(self, descriptor: int, length: int, offset: int) -> bytes:
        """Read, or fail."""
        if self.error and (self.all or descriptor in self.stale):
            raise OSError(self.error, os.strerror(self.error))
        return self._pread(descriptor, length, offset)


ERRORS = pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE], ids=errno.errorcode.get)


@pytest.mark.scenario("F05")
@ERRORS
@pytest.mark.parametrize("end", ["none", "kill"])
@pytest.mark.parametrize("seconds", [3, 90])
def test_reads_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, end: str, seconds: int
) -> None:
    """A failing read is neither the end of a file nor another file, through a rotation too."""
    reader = Stepped(tmp_path, Case())
    site = Site(tmp_path, reader, Case())
    reader.start()
    site.write(10)
    site.look()
    failing = Failing(monkeypatch)
    failing.error = error
    site.write(10)
    reader.tick()
    site.rename()
    site.write(10)
    for _ in range(seconds):
        reader.tick()
    assert reader.tally().total == 10
    if end == "kill":
        reader.kill()
        reader.start()
        reader.tick()
    failing.error = 0
    assert site.outcome() == (0, 0)
    assert reader.engine is not None
    assert reader.engine.status().readiness_problems(0) == []
    reader.stop()


@pytest.mark.scenario("F05")
def test_a_handle_that_stays_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old descriptor is dead for ever and a new one would work: the file is opened again."""
    reader = Stepped(tmp_path, Case())
    site = Site(tmp_path, reader, Case())
    reader.start()
    site.write(10)
    site.look()
    failing = Failing(monkeypatch)
    failing.all = False
    for entry in Path("/proc/self/fd").iterdir():
        if entry.exists() and entry.samefile(site.path):
            failing.stale.add(int(entry.name))
    assert failing.stale
    failing.error = errno.ESTALE
    site.write(10)
    reader.look(20)
    reader.tick(MINUTE)
    outcome = site.outcome()
    reader.stop()
    assert outcome == (0, 0)


@pytest.mark.scenario("F05")
@ERRORS
@pytest.mark.parametrize("rotated", [False, True])
@TWO
def test_reads_that_fail_in_a_real_process(
    begun: Begun,
    need: Callable[[str], str],
    case: Case,
    tmp_path: Path,
    error: int,
    rotated: bool,
) -> None:
    """strace makes the daemon's reads of the log fail; when it lets go, nothing is missing."""
    reader, site = begun(case)
    name, trace = errno.errorcode[error], tmp_path / "trace"
    command = [
        need("strace"), "-f", "-qq", "-o", str(trace), "-P", str(site.path), "-e", "trace=pread64",
        "-e", f"inject=pread64:error={name}", "-p", str(reader.pid),
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE) as strace:
        status = Path(f"/proc/{reader.pid}/status")
        while "TracerPid:\t0\n" in status.read_text():
            if strace.poll() is not None:
                assert strace.stderr is not None
                pytest.skip(f"tracing is not allowed here: {strace.stderr.read()!r}")
        if rotated:
            site.rename()
        site.write(10)
        reader.until(lambda: trace.read_text().count("INJECTED") >= 4)
        assert reader.tally().total == 10
        if case.end == "kill":
            reader.kill()
        strace.terminate()
        strace.wait()
    if case.end == "kill":
        reader.start()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("F05")
def test_a_log_that_cannot_be_read_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log whose reads fail for minutes is not said to be ready."""
    reader = Stepped(tmp_path, Case())
    site = Site(tmp_path, reader, Case())
    reader.start()
    site.write(10)
    site.look()
    Failing(monkeypatch).error = errno.EIO
    site.write(10)
    for _ in range(300):
        reader.tick()
    assert reader.engine is not None
    message = reader.engine.status().readiness_problems(1 << 20)
    reader.engine.close()
    assert "Input/output error" in " ".join(message)


def put(kind: str, path: Path, protected: Path) -> None:
    """Something that is not a log."""
    if kind == "directory":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(path))
    elif kind == "protected":
        protected.write_text("zqorvsecret:$6$zqorv\n")
        protected.chmod(0o600)
        path.symlink_to(protected)
    else:
        path.symlink_to({"device": "/dev/zero", "terminal": "/dev/tty"}[kind])


@pytest.mark.scenario("F06")
@TWO
@pytest.mark.parametrize("kind", ["directory", "FIFO", "socket", "device", "terminal", "protected"])
def test_something_else_in_place_of_the_log(
    nobody: Nobody, his: Begun, case: Case, reasons: Reasons, kind: str
) -> None:
    """Named, not opened for long and never told of; with the log back, nothing is missing."""
    reader, site = his(case)
    site.rename()
    with site.rotated().open("ab") as old:
        old.write(site.lines(3))
    put(kind, site.path, nobody.directory / "secret")
    message = FORBIDDEN if kind == "protected" else r"is a directory|not a regular file|No such"
    reader.until(lambda: re.search(message, reasons(reader)) is not None)
    site.restart()
    reader.until(lambda: re.search(message, reasons(reader)) is not None)
    assert "zqorvsecret" not in reader.log_text() + ready(reader)
    shutil.rmtree(site.path) if kind == "directory" else site.path.unlink()
    site.write(10)
    assert site.outcome() == (0, 0)
    reader.until(lambda: not reasons(reader))
    reader.stop()
