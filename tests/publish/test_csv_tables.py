"""Windows as CSV: what a reader of the API opens in pandas."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from donkeywatch.counting.calendar import HOUR, week_start
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.csv_tables import COLUMNS, windows_csv
from donkeywatch.publish.snapshot import TopicView, WindowView

MONDAY = week_start("2026-W48")
OBSERVED = Estimate(0.25, 0.1, 0.5, 1.5)
TOPIC = TopicView(
    "pedophile", 2, (2, 1, 0), OBSERVED, (OBSERVED, None, None), {"explicit": 2},
    Estimate(0.75, 0.5, 1.0, 1.5),
)  # fmt: skip


def rows(topic: TopicView) -> list[dict[str, str]]:
    """The rows of a table of one hour with one topic."""
    view = WindowView("hour", MONDAY, MONDAY + HOUR, True, 8, 4, 1, 0.5, (topic,))
    return list(csv.DictReader(io.StringIO(windows_csv([view]))))


def test_the_corrected_fraction_stands_beside_the_observed_one() -> None:
    """In columns of its own, with its interval."""
    (row,) = rows(TOPIC)
    assert list(row) == list(COLUMNS)
    assert [row[f"query_fraction{end}"] for end in ("", "_lower", "_upper")] == [
        "0.25", "0.1", "0.5",
    ]  # fmt: skip
    names = [f"corrected_query_fraction{end}" for end in ("", "_lower", "_upper")]
    assert [row[name] for name in names] == ["0.75", "0.5", "1.0"]


def test_without_a_record_the_corrected_cells_are_empty() -> None:
    """The columns are there all the same, so that no reader meets another shape."""
    (row,) = rows(replace(TOPIC, corrected=None))
    assert {row[name] for name in row if "corrected" in name} == {""}
    assert row["query_fraction"] == "0.25"


def test_a_table_opens_in_pandas_without_options() -> None:
    """Numbers are numbers, and the times are ISO 8601."""
    pandas = pytest.importorskip("pandas")
    view = WindowView("hour", MONDAY, MONDAY + HOUR, True, 8, 4, 1, 0.5, (TOPIC,))
    table = pandas.read_csv(io.StringIO(windows_csv([view])))
    assert pandas.to_datetime(table["start"])[0].isoformat() == "2026-11-23T00:00:00+00:00"
    assert table["corrected_query_fraction"][0] == 0.75
