"""Every check of the audit finds what it is there for, and nothing in a good database."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from donkeywatch import cli
from donkeywatch.counting.calendar import to_ms
from donkeywatch.errors import StateError
from donkeywatch.runtime.backfill import backfill
from donkeywatch.simulation.generator import Simulation
from donkeywatch.store.consistency import audit
from support.simulated_server import TOPICS, Simulated, engine, simulated

SLIPS = {
    "addresses <= queries in every window": (
        "update windows set addresses = queries + 1 where kind = 'hour' and queries > 0"
    ),
    "flagged addresses <= flagged queries <= queries": (
        "update window_topics set addresses_1 = queries + 1 where kind = 'week'"
    ),
    "flagged addresses <= addresses": (
        "update windows set addresses = 0 where kind = 'hour'"
    ),
    "fewer addresses with more flagged queries": (
        "update window_topics set addresses_3 = addresses_2 + 1"
    ),
    "queries of one topic alone <= its queries": (
        "update window_topics set exclusive_queries = queries + 1 where kind = 'hour'"
    ),
    "queries of the first address <= of the first ten <= of all": (
        "update window_topics set top_1 = top_10 + 1 where kind = 'week'"
    ),
    "queries of one topic alone add up to their week": (
        "update window_topics set exclusive_queries = exclusive_queries - 1 where kind = 'hour'"
        " and exclusive_queries > 0"
    ),
    "categories add up to their topic": (
        "update window_categories set queries = queries + 1 where kind = 'hour'"
    ),
    "countries add up to their window": (
        "update window_countries set queries = queries + 1 where kind = 'week'"
    ),
    "countries add up to their topic": (
        "update window_country_topics set queries = queries + 1 where kind = 'hour'"
    ),
    "hours add up to their week": "update windows set queries = queries + 1 where kind = 'week'",
    "coverage no longer than its window": "update windows set covered_seconds = 999999",
    "every query is in an hour": "update counters set value = value + 1 where detail = 'query'",
    "per-address rows give the closed hours": (
        "update segments set queries = zeroblob(length(queries)) where rows > 0"
    ),
    "every older pseudonym belongs to a row": (
        "insert into previous_pseudonyms values (999999, x'00')"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """A database of two days, with rows of its last week."""
    directory = tmp_path_factory.mktemp("audit")
    start = datetime(2026, 11, 16, tzinfo=UTC)
    place = simulated(
        directory, Simulation(start=start, hours=48, queries=4_000, addresses=300), files=1
    )
    now = to_ms(start) + 9 * 24 * 3_600_000
    with engine(place.settings, now) as daemon:
        backfill(daemon, place.archive, None, lambda: now)
    return place


def findings(path: Path) -> dict[str, str | None]:
    """What the audit says of a database."""
    with sqlite3.connect(path) as db:
        result = dict(audit(db, TOPICS))
    db.close()
    return result


def test_a_good_database_passes_every_check(counted: Simulated) -> None:
    """And every check is one that is tested below."""
    result = findings(counted.state / "donkeywatch.db")
    assert not any(result.values()), result
    assert set(result) == {"the file is whole", *SLIPS}


@pytest.mark.parametrize("check", SLIPS)
def test_a_slip_is_found_and_named(counted: Simulated, tmp_path: Path, check: str) -> None:
    """The check that is there for it fails, and says where."""
    path = tmp_path / "donkeywatch.db"
    shutil.copy(counted.state / "donkeywatch.db", path)
    with sqlite3.connect(path) as db:
        db.execute(SLIPS[check])
    db.close()
    assert findings(path)[check]


def test_hours_that_were_forgotten_are_no_slip(counted: Simulated, tmp_path: Path) -> None:
    """Retention removes hours; totals stay."""
    path = tmp_path / "donkeywatch.db"
    shutil.copy(counted.state / "donkeywatch.db", path)
    with sqlite3.connect(path) as db:
        first = "(select min(start) from windows where kind = 'hour')"
        for table in ("windows", "window_topics", "window_categories"):
            db.execute(f"delete from {table} where kind = 'hour' and start = {first}")
        db.execute("insert into settings values ('pruned:hour', '1')")
    db.close()
    result = findings(path)
    assert not result["every query is in an hour"]
    assert not result["hours add up to their week"]


@pytest.mark.parametrize("there", [True, False])
def test_verify_looks_at_a_whole_installation(counted: Simulated, there: bool) -> None:
    """Every check of the audit is told, and the position in each log; it need not be there."""
    if there:
        counted.log.touch()
    else:
        counted.log.unlink(missing_ok=True)
    cli.load_commands(["verify"])
    done = CliRunner().invoke(cli.app, ["verify", "-c", str(counted.settings)])
    assert done.exit_code == 0, done.output
    message = done.output.splitlines()
    assert len(message) > len(SLIPS)
    # The weeks that were counted are over, and no daemon has destroyed their keys.
    checks = [line for line in message if not line.startswith("note: keys that are overdue")]
    assert all(line.endswith(": ok") for line in checks), done.output


def test_verify_does_not_take_an_older_database_for_a_bad_one(
    counted: Simulated, tmp_path: Path
) -> None:
    """What this version would add is not there yet: told as that, and nothing is changed."""
    place = Path(shutil.copytree(counted.directory, tmp_path / "old"))
    path = place / "state" / "donkeywatch.db"
    with sqlite3.connect(path) as db:
        db.execute("alter table window_topics drop column exclusive_queries")
        db.execute("delete from _sqlite_migrations where name = '0004_alone_and_top'")
    db.close()
    before = path.read_bytes()
    cli.load_commands(["verify"])
    done = CliRunner().invoke(cli.app, ["verify", "-c", str(place / counted.settings.name)])
    assert isinstance(done.exception, StateError)
    assert "written by an older donkeywatch" in done.exception.problem
    assert path.read_bytes() == before
