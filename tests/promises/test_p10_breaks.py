"""P10: breaks show: whatever changes the measurement opens a new stretch."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from donkeywatch.counting.calendar import WEEK
from donkeywatch.ingest.countries import CountryLookup
from donkeywatch.ingest.lexicon_file import load
from donkeywatch.ingest.lexicon_model import digest
from donkeywatch.report.database_series import Windows
from donkeywatch.report.weekly_series import segments_between_breaks
from donkeywatch.runtime import series_breaks
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from donkeywatch.store.store import Store
from support.simulated_server import NOW, START

CHANGES = {
    "encoding": 'encoding = "cp1251"',
    "timezone": 'timezone = "Europe/Paris"',
    "query_syntax": 'query_syntax = "boolean"',
    "strip_ansi": "strip_ansi = true",
    "wrapper": 'wrapper = "cri"',
    "time_format": 'time_format = "%Y-%m-%d %H:%M:%S %z"',
}
"""Settings of a source that decide what a line means."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A settings file whose state has been in use."""
    sim = Simulation(start=START, hours=1, queries=50, addresses=50)
    made = simulation_directory.write_settings(sim, tmp_path)
    (tmp_path / "search.log").touch()
    start(made)
    return made


def start(path: Path) -> list[str]:
    """Start and stop; the kinds of all breaks since the state was made."""
    settings = loader.load(path, {})
    Engine(settings, NOW).close()
    return recorded(settings)


def recorded(settings: Settings) -> list[str]:
    """Give the kinds of all breaks, oldest first."""
    store = Store(settings.state, ("one",))
    try:
        return [kind for (kind,) in store.connection.execute("select kind from breaks order by id")]
    finally:
        store.close()


def test_a_start_with_the_same_settings_is_no_break(path: Path) -> None:
    """However often."""
    assert start(path) == start(path) == []


@pytest.mark.parametrize("setting", CHANGES)
def test_a_setting_that_decides_what_a_line_means_is_a_break(path: Path, setting: str) -> None:
    """Once, when it changes, and again when it is changed back."""
    before = path.read_text()
    path.write_text(before + CHANGES[setting] + "\n")
    assert start(path) == ["format"]
    assert start(path) == ["format"]
    path.write_text(before)
    assert start(path) == ["format", "format"]


def test_another_format_is_a_break(path: Path) -> None:
    """Also where nothing else changes."""
    path.write_text(path.read_text().replace('format = "tsv"', 'format = "jsonl"'))
    assert start(path) == ["format"]


def test_another_lexicon_is_a_break(path: Path) -> None:
    """One word more is another one."""
    lexicon = path.parent / "archive" / "lexicon.toml"
    before = load(lexicon)
    lexicon.write_text(lexicon.read_text().replace('explicit = ["', 'explicit = ["zqxyorv", "'))
    assert digest(load(lexicon), b"key") != digest(before, b"key")
    assert start(path) == ["lexicon"]


def test_other_country_data_are_a_break(path: Path) -> None:
    """One byte more at the end of the file is another file."""
    countries = path.parent / "archive" / "countries.mmdb"
    before = CountryLookup(countries).digest
    countries.write_bytes(countries.read_bytes() + b"\0")
    changed = CountryLookup(countries).digest
    assert changed != before
    assert start(path) == ["countries"]
    path.write_text(path.read_text().replace("countries =", "# countries ="))
    assert start(path) == ["countries", "countries"]


def test_another_normalisation_is_a_break(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that folds words in another way finds others."""
    monkeypatch.setattr(series_breaks, "NORMALISATION", "another")
    assert start(path) == ["normalisation"]


def test_a_lost_key_is_a_break(path: Path) -> None:
    """An address of before counts as another one."""
    settings = loader.load(path, {})
    engine = Engine(settings, NOW)
    (path.parent / "search.log").write_text("2026-11-23T11:59:00Z\t192.0.2.1\tzqorv\n")
    engine.tick(NOW)
    engine.close()
    removed = list((settings.state / "keys").glob("*-W*.key"))
    assert removed
    for key in removed:
        key.unlink()
    assert "keys" in start(path)


def test_no_stretch_goes_across_a_break() -> None:
    """Weeks before it and after it are two stretches; the week with the break is in neither."""
    starts, nothing = np.arange(0, 20 * WEEK, WEEK), np.zeros(20, np.int64)
    columns = {field.name: nothing for field in fields(Windows)}
    weeks = Windows(**{**columns, "kind": "week", "start": starts})  # type: ignore[arg-type]
    assert segments_between_breaks(weeks, [10 * WEEK + 1]) == [(0, 10), (11, 20)]
