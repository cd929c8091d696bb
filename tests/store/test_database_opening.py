"""The database is created whole, or completed by the next start, wherever the first was killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from donkeywatch import cli
from donkeywatch.errors import DatabaseUnavailableError, StateError
from donkeywatch.settings.state_files import DATABASE
from donkeywatch.store.database_opening import connect
from donkeywatch.store.store import Store
from support.instruments import component
from support.settings_files import write_settings

CREATE = """
import sys
from pathlib import Path
from donkeywatch.store.store import Store
Store(Path(sys.argv[1]), ("zqorv",)).close()
"""


def create_killed_at(state: Path, call: str, number: int) -> bool:
    """Create a database in a process that is killed on entering a system call; false if it ends."""
    state.mkdir(exist_ok=True)
    database = state / DATABASE
    files = [database, *(database.with_name(f"{DATABASE}-{end}") for end in ("journal", "wal"))]
    command = [component("strace"), "-f", "-qq", "-o", "/dev/null"]
    command += ["-e", f"inject={call}:signal=KILL:when={number}"]
    for file in files:
        command += ["-P", str(file)]
    done = subprocess.run(
        [*command, sys.executable, "-c", CREATE, str(state)], timeout=60, check=False
    )
    assert done.returncode in (0, -9, 137)
    return done.returncode != 0


@pytest.mark.parametrize("call", ["fdatasync", "unlink", "pwrite64"])
@pytest.mark.untraced
def test_a_creation_killed_at_any_system_call_is_completed(tmp_path: Path, call: str) -> None:
    """Wherever the first start was killed, the second one opens the database and uses it."""
    state, number = tmp_path / "state", 1
    step = 1 if call != "pwrite64" else 6
    while create_killed_at(state, call, number):
        store = Store(state, ("zqorv",))
        store.set("zqorv", "1")
        assert store.setting("zqorv") == "1"
        store.close()
        for file in state.iterdir():
            file.unlink()
        number += step
    assert number > step, "no call was ever reached"


def test_a_reader_of_an_interrupted_creation_is_told_to_start_donkeywatch(tmp_path: Path) -> None:
    """A reader may not roll it back, so it says who does."""
    state = tmp_path / "state"
    assert create_killed_at(state, "unlink", 1)
    with pytest.raises(
        DatabaseUnavailableError, match="created or restored, or that was interrupted"
    ) as caught:
        connect(state / DATABASE, read_only=True)
    assert "start donkeywatch" in caught.value.remedy
    Store(state, ("zqorv",)).close()
    connect(state / DATABASE, read_only=True).close()


def test_a_database_of_another_program_gets_no_tables_of_ours(tmp_path: Path) -> None:
    """Our tables among its own would be in each other's way."""
    path = tmp_path / "donkeywatch.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("create table theirs (x)")
    with pytest.raises(StateError, match="of another program"):
        Store(tmp_path, ("one",))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("select name from sqlite_master").fetchall() == [("theirs",)]


@pytest.mark.parametrize("verb", ["verify", "status", "keys"])
@pytest.mark.parametrize("content", ["nothing", "tables of another program"])
def test_what_holds_no_tables_of_ours_is_named_for_what_it_is(
    tmp_path: Path, verb: str, content: str
) -> None:
    """By every command that reads it, and not as a full disk or an older version."""
    settings = write_settings(tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)
    with closing(sqlite3.connect(tmp_path / "state" / "donkeywatch.db")) as db, db:
        if content != "nothing":
            db.execute("create table theirs (x)")
    (tmp_path / "state" / "donkeywatch.db").touch()
    cli.load_commands([verb])
    arguments = ["keys", "status"] if verb == "keys" else [verb]
    result = CliRunner().invoke(cli.app, [*arguments, "-c", str(settings)])
    assert isinstance(result.exception, StateError)
    assert result.exception.problem.endswith("holds no tables of donkeywatch")
    assert "recover" in result.exception.remedy
