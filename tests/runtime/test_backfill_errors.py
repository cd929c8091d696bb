"""A file that comes when the keys of its weeks are destroyed is said not to be counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from donkeywatch import cli
from donkeywatch.runtime.backfill import backfill
from donkeywatch.runtime.backfill_errors import Incomplete
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import NOW, START, Simulated, engine, outcomes, simulated


@pytest.fixture
def server(tmp_path: Path) -> Simulated:
    """Six weeks of a log in three files, two weeks each."""
    sim = Simulation(seed=5, start=START, hours=6 * 168, queries=3_000, addresses=300)
    return simulated(tmp_path, sim, files=3, gz=True)


def count(server: Simulated, files: Sequence[Path]) -> str:
    """Count files; the problem and its remedy, or nothing."""
    with engine(server.settings) as opened:
        try:
            backfill(opened, files, None, lambda: NOW)
        except Incomplete as error:
            return str(error)
    return ""


def run(server: Simulated, *files: Path) -> tuple[int, str]:
    """Do the same as a command; its exit code and what it printed."""
    cli.load_commands(["backfill"])
    result = CliRunner().invoke(cli.app, ["backfill", "-c", str(server.settings), *map(str, files)])
    return result.exit_code, result.output + str(result.exception or "")


def test_a_forgotten_file_is_not_said_to_be_counted(server: Simulated) -> None:
    """With how many lines are missing, and the only way to add them."""
    first, second, third = server.archive
    assert count(server, [first, third]) == ""
    message = count(server, [second])
    missing = server.truth.lines["query"] - outcomes(server.state)["query"]
    assert missing > 300
    assert "lines are of weeks whose keys are destroyed, and at least" in message
    assert f" at least {missing:,} of them are not counted" in message
    assert "`donkeywatch reset`, and then backfill all files in one command" in message
    _, text = run(server, second)
    assert "nobody can tell whether they were counted before" in text
    assert "nothing new" not in text


def test_a_damaged_file_tells_that_its_rest_cannot_be_added(server: Simulated) -> None:
    """Unless no newer file was counted: then it goes on where it stopped."""
    first, second, third = server.archive
    whole = second.read_bytes()
    second.write_bytes(whole[: len(whole) // 2])
    assert "it goes on where it stopped" in count(server, [first, second])
    message = count(server, [first, second, third])
    assert "newer ones are counted, so the keys of its weeks are destroyed" in message
    second.write_bytes(whole)
    message = count(server, [second])
    assert "of them are not counted" in message


def test_a_repaired_file_goes_on_where_it_stopped(server: Simulated) -> None:
    """As long as no newer file was counted meanwhile."""
    first, second, third = server.archive
    whole = second.read_bytes()
    second.write_bytes(whole[: len(whole) // 2])
    count(server, [first, second])
    second.write_bytes(whole)
    assert count(server, [second, third]) == ""
    assert outcomes(server.state)["query"] == server.truth.lines["query"]


def test_what_was_counted_is_no_trouble_when_it_comes_again(server: Simulated) -> None:
    """Each hour has as many queries as the file: nothing is missing, and nothing is said."""
    assert count(server, server.archive) == ""
    assert count(server, server.archive) == ""
    code, text = run(server, *server.archive)
    assert code == 0, text
    assert "are not counted" not in text
