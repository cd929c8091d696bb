"""Texts of closed windows are remembered, and never say anything else than the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from donkeywatch.counting.calendar import HOUR, WEEK, week_of
from donkeywatch.publish import closed_window_cache
from donkeywatch.publish.closed_window_cache import ClosedWindowCache
from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http.api_routes import write_all_hours
from donkeywatch.publish.http.parameters import END_OF_TIME
from donkeywatch.publish.snapshot import BLOCK_MS, Snapshot, Snapshots
from donkeywatch.publish.window_documents import windows_json
from donkeywatch.publish.window_views import WindowView
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.store import Store
from support.stored_windows import FIGURES, TEN, TOPICS, count

FIRST = week_of(TEN) - 9 * WEEK
RANGES = st.tuples(st.integers(-2, 1700), st.integers(-2, 1700), st.integers(1, 40))


class Writer:
    """Writes the text of windows, and notes how many it was asked for."""

    def __init__(self, snapshots: Snapshots) -> None:
        self.snapshots, self.texts, self.written = snapshots, ClosedWindowCache(), 0

    def write(self, views: Sequence[WindowView]) -> bytes:
        """The text of JSON."""
        self.written += len(views)
        return windows_json(views)

    def page(self, start: int, end: int, limit: int = 10_000) -> bytes:
        """Hours that start in [start, end), as JSON."""
        with self.snapshots.open() as snapshot:
            blocks = snapshot.page_state("hour", start, end, limit).blocks
            assert all(first.end <= second.start for first, second in pairwise(blocks))
            texts = self.texts.write(snapshot, "hour", blocks, "json", self.write)
            return b",".join(filter(None, texts))

    def page_anew(self, start: int, end: int, limit: int = 10_000) -> bytes:
        """The same without what is remembered."""
        with self.snapshots.open() as snapshot:
            return windows_json(snapshot.windows_between("hour", start, end, limit))


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    """Hours here and there within ten weeks, all closed."""
    state: Path = tmp_path_factory.mktemp("state")
    ensure_state_directory(state)
    store = Store(state, TOPICS)
    for number in range(0, 1680, 7):
        count(store, FIRST + number * HOUR)
        store.close_hour(FIRST + number * HOUR, None, FIGURES)
    store.close()
    return Writer(Snapshots(state, TOPICS))


@settings(max_examples=200)
@given(RANGES)
def test_a_page_is_the_same_with_and_without_what_is_remembered(
    writer: Writer, bounds: tuple[int, int, int]
) -> None:
    """Whatever part of the blocks it asks for, and in whatever order pages are asked for."""
    start, end, limit = FIRST + bounds[0] * HOUR, FIRST + bounds[1] * HOUR, bounds[2]
    assert writer.page(start, end, limit) == writer.page_anew(start, end, limit)


def test_closed_windows_are_written_once(writer: Writer) -> None:
    """The second answer takes nothing but the texts of the first."""
    first = writer.page(FIRST, FIRST + 10 * WEEK)
    before = writer.written
    assert writer.page(FIRST, FIRST + 10 * WEEK) == first
    assert writer.written == before


def test_all_hours_are_written_before_anyone_asks(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As JSON and as CSV: an answer to the API reads no window from the database any more."""
    writer = Writer(writer.snapshots)
    status = Status(topics=tuple((topic, ()) for topic in TOPICS))
    with writer.snapshots.open() as snapshot:
        expected = len(snapshot.page_state("hour", 0, END_OF_TIME, 10_000).blocks)
    write_all_hours(writer.snapshots, status, writer.texts, lambda: False)
    monkeypatch.setattr(Snapshot, "windows_between", lambda *_: pytest.fail("read again"))
    assert len(writer.page(0, END_OF_TIME)) > 1000
    stopped = ClosedWindowCache()
    monkeypatch.undo()
    write_all_hours(writer.snapshots, status, stopped, lambda: True)
    assert len(writer.texts._texts) == 2 * expected
    assert len(stopped._texts) == 1, "it stops when the server does"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two closed hours, in two blocks."""
    ensure_state_directory(tmp_path)
    made = Store(tmp_path, TOPICS)
    for start in (FIRST, FIRST + 2 * BLOCK_MS["hour"]):
        count(made, start)
        made.close_hour(start, None, FIGURES)
    return made


def test_a_late_line_has_its_block_written_anew(store: Store) -> None:
    """The hour opens, and closes with other figures; the other block stays as it is written."""
    writer = Writer(Snapshots(store.path.parent, TOPICS))
    bounds = FIRST, FIRST + 20 * WEEK
    assert b'"queries":8' in writer.page(*bounds)
    count(store, FIRST, 1, 0.0)
    for _ in range(2):  # An open window is not remembered.
        before = writer.written
        assert writer.page(*bounds) == writer.page_anew(*bounds)
        assert writer.written == before + 1
    store.close_hour(FIRST, None, replace(FIGURES, queries=9, sum_qq=20))
    assert writer.page(*bounds) == writer.page_anew(*bounds)
    store.close()


def test_texts_that_were_not_asked_for_longest_go_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered has a limit."""
    writer = Writer(Snapshots(store.path.parent, TOPICS))
    writer.page(FIRST, FIRST + HOUR)
    monkeypatch.setattr(closed_window_cache, "MAX_CACHED_BYTES", writer.texts._size + 10)
    writer.page(FIRST + HOUR, FIRST + 20 * WEEK)
    before = writer.written
    writer.page(FIRST + HOUR, FIRST + 20 * WEEK)
    assert writer.written == before
    writer.page(FIRST, FIRST + HOUR)
    assert writer.written == before + 1
    assert writer.texts._size <= closed_window_cache.MAX_CACHED_BYTES
    store.close()
