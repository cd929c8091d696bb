"""The report that anyone may see has what is released, to the last digit, and nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from donkeywatch.errors import StateError, UsageError
from donkeywatch.publish.http.released_answers import COLUMNS
from donkeywatch.report import released_report
from donkeywatch.report.report_files import PAGE
from donkeywatch.settings.state_files import DATABASE
from support.released_weeks import decide_weeks


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Three decided weeks; of the last nothing may be told."""
    return decide_weeks(tmp_path / "state") / DATABASE


def test_the_files_stand_beside_a_page_that_names_them(database: Path, tmp_path: Path) -> None:
    """Every link leads to one of them, and none of them needs another place."""
    files, weeks = released_report.write(database, tmp_path / "out", "A <server>")
    assert weeks == 3
    names = {path.name for path in files}
    page = files[0].read_text("utf-8")
    assert files[0].name == "index.html"
    assert set(re.findall(r'(?:href|src)="([^"]+)"', page)) == names - {"index.html"}
    assert "A &lt;server&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


def test_tables_and_documents_have_the_same_figures(database: Path, tmp_path: Path) -> None:
    """As the table of released figures has them."""
    released_report.write(database, tmp_path, "")
    with closing(sqlite3.connect(database)) as db:
        stored = db.execute("select kind, country, topic from released").fetchall()
    for name, kind, by_country in (
        ("weeks", "week", False), ("countries", "week", True), ("hours", "hour", False)
    ):  # fmt: skip
        text = (tmp_path / f"{name}.csv").read_text("utf-8")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert list(rows[0]) == list(COLUMNS)
        of_topics = [
            row for row in stored if row[0] == kind and bool(row[1]) == by_country and row[2]
        ]
        assert len([row for row in rows if row["topic"]]) == len(of_topics) > 0
        document = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
        assert document["release"] == "guarded"
        flagged = [
            topic["flagged_addresses"] for window in document[name] for topic in window["topics"]
        ]
        assert flagged == [int(row["flagged_addresses"]) for row in rows if row["topic"]]
        assert all(count % 5 == 0 and count >= 10 for count in flagged)


def test_nothing_else_of_the_database_is_in_it(database: Path, tmp_path: Path) -> None:
    """Exact counts beside the released ones change no byte."""
    before = [p.read_bytes() for p in released_report.write(database, tmp_path / "a", "")[0]]
    with closing(sqlite3.connect(database)) as db:
        db.execute("insert into counters values ('lines', 'main', 'query', 987654321)")
        db.commit()
    after = [p.read_bytes() for p in released_report.write(database, tmp_path / "b", "")[0]]
    assert after == before
    assert b"987654321" not in b"".join(after)


def test_nothing_released_is_put_beside_live_figures(database: Path, tmp_path: Path) -> None:
    """Who publishes the directory would publish both."""
    (tmp_path / PAGE).touch()
    with pytest.raises(UsageError, match="live figures"):
        released_report.write(database, tmp_path, "")
    assert not list(tmp_path.glob("*.csv"))


def test_without_a_database_it_says_so(tmp_path: Path) -> None:
    """And makes no directory."""
    with pytest.raises(StateError, match="there is no database"):
        released_report.write(tmp_path / "none.db", tmp_path / "out", "")
    assert not (tmp_path / "out").exists()


def test_the_command_writes_it_and_takes_no_choice(database: Path, tmp_path: Path) -> None:
    """A choice among figures could tell what is not released."""
    command = [sys.executable, "-m", "donkeywatch", "report", "--release", "guarded"]
    command += ["--database", str(database), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "index.html").exists()
    refused = subprocess.run(
        [*command, "--since", "2026-W40"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "cannot be chosen from" in refused.stderr
