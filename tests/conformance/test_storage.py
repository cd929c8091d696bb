"""S: what becomes of the counts when the place they are kept in fails."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from conformance.cases import TWO, Ask, Begun, Make, Prepared, Reasons
from conformance.readers import Daemon, Stepped
from conformance.site import Case, Site
from conformance.surroundings import Nobody, fill, refused, tmpfs
from donkeywatch.errors import StateError
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader

COMMIT = "the last commit failed"
PAGE = 4096


def offset(state: Path) -> int:
    """The bytes that count as read, as another process sees them."""
    with sqlite3.connect(f"file:{state / 'donkeywatch.db'}?mode=ro", uri=True) as db:
        rows = db.execute('select coalesce(sum("offset"), 0) from generations').fetchone()[0]
    db.close()
    return int(rows)


def stored(state: Path) -> dict[str, bytes]:
    """The database with its write-ahead log, if there is anything in it, byte by byte."""
    paths = [*state.glob("donkeywatch.db"), *state.glob("donkeywatch.db-wal")]
    mapping = {path.name: path.read_bytes() for path in paths}
    return {name: content for name, content in mapping.items() if content or name.endswith(".db")}


def end_by(reader: Daemon, case: Case) -> None:
    """End a daemon of which it is not known how it ends, or whether it has ended."""
    reader.signal(signal.SIGKILL if case.end == "kill" else signal.SIGTERM)
    reader.wait()


@pytest.mark.scenario("S01")
@pytest.mark.parametrize("end", ["none", "kill"])
@pytest.mark.parametrize("rotations", [0, 3])
def test_no_page_more(tmp_path: Path, end: str, rotations: int) -> None:
    """The database may not grow: the offset stays, also through rotations, and all is made good."""
    reader = Stepped(tmp_path, Case())
    site = Site(tmp_path, reader, Case())
    reader.start()
    site.write(10)
    site.look()
    assert reader.engine is not None
    connection = reader.engine.store.connection
    pages = connection.execute("pragma page_count").fetchone()[0]
    connection.execute(f"pragma max_page_count = {pages}")
    before = offset(reader.state)
    for turn in range(4):
        if turn and turn <= rotations:
            site.rename()
        site.write(700)
        reader.tick()
        assert COMMIT in " ".join(reader.engine.status().readiness_problems(1 << 20))
        assert (offset(reader.state), reader.tally().total) == (before, 10)
    if end == "kill":
        reader.kill()
        reader.start()
    else:
        connection.execute("pragma max_page_count = 1000000")
    assert site.outcome() == (0, 0)
    assert reader.engine.status().readiness_problems(1 << 20) == []
    reader.stop()


@pytest.mark.scenario("S01")
def test_no_byte_more(begun: Begun, case: Case, tmp_path: Path, reasons: Reasons, ask: Ask) -> None:
    """A full file system: not ready but healthy, the offset stays, and all is made good."""
    with tmpfs(tmp_path / "state", "1m"):
        reader, site = begun(case)
        before, ballast = offset(reader.state), fill(reader.state)
        site.write(1_000)
        reader.until(lambda: COMMIT in reasons(reader))

        def failures() -> float:
            text = ask(reader, "/metrics").text
            return float(re.findall(r"^donkeywatch_commit_errors_total (\S+)", text, re.M)[0])

        reader.until(lambda: failures() >= 3)
        site.rename()
        site.write(100)
        assert (offset(reader.state), reader.tally().total) == (before, 10)
        if case.end == "kill":
            site.restart()
            reader.until(lambda: COMMIT in reasons(reader))
        ballast.unlink()
        reader.until(lambda: not reasons(reader))
        assert site.outcome() == (0, 0)
        site.restart()
        site.write(10)
        assert site.outcome() == (0, 0)
        reader.stop()


@pytest.mark.scenario("S01")
def test_a_first_start_on_a_full_disk(daemon: Make, tmp_path: Path) -> None:
    """It is refused in so many words; with room it starts, from the first line."""
    reader = daemon(Case())
    site = Site(tmp_path, reader, Case())
    site.write(10)
    with tmpfs(reader.state, "512k"):
        ballast = fill(reader.state)
        assert "full" in refused(reader, 6)
        ballast.unlink()
        reader.start()
        assert site.outcome() == (0, 0)
        reader.stop()


@pytest.mark.scenario("S01")
def test_stopping_on_a_full_disk(begun: Begun, daemon: Make, tmp_path: Path, ask: Ask) -> None:
    """SIGTERM while nothing can be stored: a message and no traceback; nothing is lost."""
    with tmpfs(tmp_path / "state", "512k"):
        reader, site = begun(Case())
        reader.stop()
        text = reader.settings.read_text()
        reader.settings.write_text(text.replace("interval = 0.05", "interval = 60"))
        reader.start()
        reader.until(lambda: ask(reader, "/readyz").status_code == 200)
        ballast = fill(reader.state)
        site.write(1_000)
        size = site.path.stat().st_size
        reader.until(
            lambda: f'offset_bytes{{source="simulated"}} {size}' in ask(reader, "/metrics").text
        )
        reader.stop()
        ballast.unlink()
        reader.start()
        assert site.outcome() == (0, 0)


HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("begin immediate")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Another process holds the write lock of the database."""
    command = [sys.executable, "-c", HOLDER, str(state / "donkeywatch.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            holder.communicate()


@pytest.mark.scenario("S02")
@pytest.mark.parametrize("case", [Case(end="kill"), Case(wakeup="polling")], ids=str)
def test_locked_for_longer_than_we_wait(
    begun: Begun, case: Case, reasons: Reasons, ask: Ask
) -> None:
    """Another program holds the write lock: not ready but answering, and exact afterwards."""
    reader, site = begun(case)
    with locked(reader.state):
        before = offset(reader.state)
        site.write(50)
        site.rename()
        site.write(50)
        reader.until(lambda: COMMIT in reasons(reader))
        assert (offset(reader.state), reader.tally().total) == (before, 10)
        assert ask(reader, "/metrics").status_code == 200
        if case.end == "kill":
            site.restart()
    reader.until(lambda: not reasons(reader))
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("S02")
def test_a_reload_while_locked(begun: Begun, tmp_path: Path) -> None:
    """SIGHUP with another lexicon while nothing can be stored: refused, and the old one stays."""
    reader, site = begun(Case())
    lexicon = tmp_path / "archive" / "lexicon.toml"
    lexicon.write_text(re.sub(r'\["', '["zqorvx", "', lexicon.read_text(), count=1))
    with locked(reader.state):
        reader.signal(signal.SIGHUP)
        reader.until(lambda: "reloaded" in reader.log_text(), 8)
    site.write(10)
    assert site.outcome() == (0, 0)
    reader.stop()


def damaged(content: bytes, damage: str) -> bytes:
    """A database after an accident."""
    half = len(content) // PAGE // 2 * PAGE
    return {
        "zeroed": bytes(len(content)),
        "half zeroed": content[:half] + bytes(len(content) - half),
        "truncated": content[:half],
        "cut in a page": content[: half + 100],
        "emptied": b"",
        "garbage": b"zqorv" * 2_000,
        "foreign": content[:100] + b"\xa5" * PAGE + content[100 + PAGE :],
    }[damage]


DAMAGES = ("zeroed", "half zeroed", "truncated", "cut in a page", "emptied", "garbage", "foreign")


@pytest.mark.scenario("S03")
@pytest.mark.parametrize(
    ("damage", "end"),
    [(damage, end) for damage in DAMAGES for end in ("stop", "kill")],
)
def test_damaged_while_stopped(begun: Begun, tmp_path: Path, damage: str, end: str) -> None:
    """Refused and left as it is, as often as it is tried; whole again, it goes on exactly."""
    reader, site = begun(Case(end="kill") if end == "kill" else Case())
    site.write(3_000)
    site.look()
    site.end()
    shutil.copytree(reader.state, tmp_path / "whole")
    path = reader.state / "donkeywatch.db"
    path.write_bytes(damaged(path.read_bytes(), damage))
    broken = stored(reader.state)
    for _ in range(2):
        refused(reader, 3)
        assert stored(reader.state) == broken
    shutil.rmtree(reader.state)
    shutil.move(tmp_path / "whole", reader.state)
    site.write(10)
    reader.start()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("S03")
def test_any_page_damaged(tmp_path: Path) -> None:
    """Random bytes in place of any one page: refused, whichever it is."""
    reader = Stepped(tmp_path, Case())
    site = Site(tmp_path, reader, Case())
    reader.start()
    site.write(3_000)
    site.look()
    reader.stop()
    base = tmp_path / "base"
    shutil.move(reader.state, base)
    content, noise = (base / "donkeywatch.db").read_bytes(), random.Random(7)
    for at in range(0, len(content), PAGE):
        shutil.copytree(base, reader.state)
        path = reader.state / "donkeywatch.db"
        path.write_bytes(content[:at] + noise.randbytes(PAGE) + content[at + PAGE :])
        broken = path.read_bytes()
        with pytest.raises(StateError):
            Engine(loader.load(reader.settings, {}), reader.now).close()
        assert path.read_bytes() == broken, at
        shutil.rmtree(reader.state)
    shutil.move(base, reader.state)
    reader.start()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("S03")
@pytest.mark.parametrize("damage", ["zeroed", "truncated", "garbage"])
@TWO
def test_damaged_while_running(begun: Begun, case: Case, damage: str) -> None:
    """It ends with code 3, at once or at the next start, and never counts again silently."""
    reader, site = begun(case)
    site.write(3_000)
    site.look()
    path = reader.state / "donkeywatch.db"
    broken = damaged(path.read_bytes(), damage)
    with path.open("r+b") as file:
        file.write(broken)
        file.truncate(len(broken))
    site.write(100)
    end_by(reader, case)
    refused(reader, 3)
    assert reader.log_text().count("listening") == 1
    assert "Traceback" not in reader.log_text()


@pytest.mark.scenario("S03")
@pytest.mark.parametrize("damage", ["cut", "noise", "gone"])
def test_a_damaged_write_ahead_log(begun: Begun, tmp_path: Path, damage: str) -> None:
    """After a kill, at any place in it: counts and position go back together, and on again."""
    reader, site = begun(Case(end="kill"))
    for _ in range(4):
        site.write(300)
        site.look()
    reader.kill()
    base = tmp_path / "base"
    shutil.move(reader.state, base)
    wal = (base / "donkeywatch.db-wal").read_bytes()
    assert len(wal) > 20 * PAGE
    noise = random.Random(11)
    for part in range(1 if damage == "gone" else 4):
        shutil.rmtree(reader.state, ignore_errors=True)
        shutil.copytree(base, reader.state)
        (reader.state / "donkeywatch.db-shm").unlink()
        at = len(wal) * part // 4 + 31 * part
        tail = noise.randbytes(5_000) + wal[at + 5_000 :] if damage == "noise" else b""
        (reader.state / "donkeywatch.db-wal").write_bytes(wal[:at] + tail)
        if damage == "gone":
            (reader.state / "donkeywatch.db-wal").unlink()
        reader.start()
        assert site.outcome() == (0, 0), part
        reader.kill()


NEXT = """
from donkeywatch.store import migrations, schema
schema.MIGRATIONS += ("0099_zqorv",)
@migrations.migrations(name="0099_zqorv")
def step(db):
    db.table("zqorv").create({"id": int}, pk="id")
    %s
"""


@pytest.mark.scenario("S04")
@TWO
def test_the_next_version_and_back(begun: Begun, prepared: Prepared, case: Case) -> None:
    """A newer program dies at the change and then makes it, once; the older one refuses it."""
    reader, site = begun(case)
    site.end()
    broken = prepared(NEXT % "import os; os._exit(9)", case)
    broken.launch()
    assert broken.wait() == 9
    site.reader = newer = prepared(NEXT % "pass", case)
    for _ in range(2):
        site.write(10)
        newer.start()
        assert site.outcome() == (0, 0)
        newer.stop()
        before = stored(reader.state)
        assert re.search(r"newer donkeywatch .*0099_zqorv", refused(reader, 3))
        assert stored(reader.state) == before


@pytest.mark.scenario("S05")
@pytest.mark.parametrize("what", ["directory", "read-only", "database", "lock"])
@TWO
def test_somebody_elses(nobody: Nobody, his: Begun, case: Case, what: str) -> None:
    """Rights lost while running and before the start: refused, left alone, and exact later."""
    reader, site = his(case)
    path = reader.state / {"database": "donkeywatch.db", "lock": "lock"}.get(what, "")
    os.chown(path, 0, 0)
    if what == "read-only":
        path.chmod(0o555)
    site.write(10)
    site.end()
    before = stored(reader.state)
    refused(reader, 3)
    assert stored(reader.state) == before
    nobody.owned_by()
    site.write(10)
    reader.start()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("S05")
def test_a_read_only_file_system(begun: Begun, tmp_path: Path) -> None:
    """Mounted read-only: refused; writable again, it goes on."""
    with tmpfs(tmp_path / "state", "4m"):
        reader, site = begun(Case())
        reader.stop()
        subprocess.run(["mount", "-o", "remount,ro", reader.state], check=True)
        refused(reader, 6)
        subprocess.run(["mount", "-o", "remount,rw", reader.state], check=True)
        site.write(10)
        reader.start()
        assert site.outcome() == (0, 0)
        reader.stop()


@pytest.mark.scenario("S05")
@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_deleted_with_keys_elsewhere(begun: Begun, case: Case, running: bool) -> None:
    """The keys tell that there was a database: nothing is begun anew silently."""
    reader, site = begun(case, lambda text: f'keys = "keys"\n{text}')
    if not running:
        site.end()
    shutil.rmtree(reader.state)
    if running:
        site.write(10)
        end_by(reader, case)
    for _ in range(2):
        assert "in use" in refused(reader, 3)
        assert reader.tally().total == 0


@pytest.mark.scenario("S05")
@pytest.mark.parametrize("case", [Case(), Case(wakeup="polling")], ids=str)
def test_deleted_while_running(begun: Begun, case: Case, reasons: Reasons) -> None:
    """The keys in it are gone too, so only the running process can tell: it says so, or ends."""
    reader, site = begun(case)
    shutil.rmtree(reader.state)
    site.write(10)
    try:
        reader.until(lambda: bool(reasons(reader)), 2.5)
    except (AssertionError, httpx.TransportError):
        assert reader.wait(1) == 3
