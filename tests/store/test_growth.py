"""What closed windows leave in the database."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from string import ascii_uppercase

import pytest

from donkeywatch.counting.calendar import FIRST_MONDAY, HOUR, WEEK
from donkeywatch.counting.checkpoint_batch import Batch, HourCounts
from donkeywatch.counting.window_aggregates import CountryAggregate, TopicAggregate, WindowAggregate
from donkeywatch.store.store import Store
from support.stored_windows import followed

START = FIRST_MONDAY + 2900 * WEEK
TOPIC = "zqorv-vroqz"
CATEGORIES = [f"category-{i}" for i in range(4)]
QUERIES = 60_000
"""In an hour: more than the study had."""
TELLS = re.compile(r"at most ([\d,]+)\s+bytes, and ([\d,]+)\s+for each\s+country")
DOCUMENT = Path(__file__).parents[2] / "docs/database.md"


def hour(countries: int) -> WindowAggregate:
    """A busy hour with flagged queries in every country."""
    names = ["".join(pair) for pair in product(ascii_uppercase, repeat=2)][:countries]
    topic = TopicAggregate(240, (220, 15, 5), 900, 300, tuple([9] * 10))
    mapping = {name: CountryAggregate(QUERIES, 30_000, ((240, 220),)) for name in names}
    return WindowAggregate(QUERIES, 40_000, 1 << 20, (topic,), mapping)


def growth(directory: Path, countries: int) -> float:
    """Bytes that one more closed hour takes, after many."""
    store = Store(directory, [TOPIC])
    try:
        sizes = []
        for i in range(400):
            made, now = Batch(), START + i * HOUR
            made.hours[now] = HourCounts(QUERIES)
            made.hours[now].categories.update({(TOPIC, name): 60 for name in CATEGORIES})
            made.hours[now].exclusive[TOPIC] = 240
            store.checkpoint(made, [], [], followed({now: 3600.0}), now)
            store.close_hour(now, None, hour(countries))
            (used,) = store.connection.execute(
                "select (page_count - freelist_count) * page_size from"
                " pragma_page_count, pragma_freelist_count, pragma_page_size"
            ).fetchone()
            sizes.append(used)
        return float(sizes[-1] - sizes[100]) / (len(sizes) - 101)
    finally:
        store.close()


@pytest.mark.parametrize("countries", [0, 30, 250])
def test_an_hour_leaves_as_many_bytes_as_is_told(tmp_path: Path, countries: int) -> None:
    """However many queries and addresses it had; of its rows nothing stays."""
    message = TELLS.search(DOCUMENT.read_text(encoding="utf-8"))
    assert message
    single, each = (int(number.replace(",", "")) for number in message.groups())
    grown = growth(tmp_path, countries)
    assert grown < single + each * countries
    assert grown > (single + each * countries) / 2  # What is told is no empty promise either.
