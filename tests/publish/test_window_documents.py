"""Windows as JSON have the form that the OpenAPI description gives them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.calendar import DAY, HOUR, WEEK, iso_utc, week_start
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.responses import WindowPage
from donkeywatch.publish.window_documents import window_document, window_page_json, windows_json
from donkeywatch.publish.window_views import TopicView, WindowView

MONDAY = week_start("2026-W48")
ESTIMATE = Estimate(0.25, 0.1, 0.5, 1.5)


def view(kind: str = "hour", length: int = HOUR, **changes: object) -> WindowView:
    """A closed window with one topic."""
    topic = TopicView("pedophile", 2, (2, 1, 0), ESTIMATE, (ESTIMATE, None, None), {"explicit": 2})
    topic = topic._replace(corrected=Estimate(0.75, 0.5, 1.0, 1.5))
    values: dict[str, object] = {
        "kind": kind, "start": MONDAY, "end": MONDAY + length, "closed": True, "queries": 8,
        "addresses": 4, "late": 1, "coverage": 0.5, "topics": (topic,),
    }  # fmt: skip
    return WindowView(**(values | changes))  # type: ignore[arg-type]


def test_a_window_keeps_all_its_figures() -> None:
    """Times become ISO 8601, thresholds become the names 1, 2 and 3, and nothing is lost."""
    assert window_document(view()) == {
        "window": "hour", "start": "2026-11-23T00:00:00Z", "end": "2026-11-23T01:00:00Z",
        "week": None, "closed": True, "coverage": 0.5, "queries": 8, "addresses": 4, "late": 1,
        "topics": [
            {
                "topic": "pedophile", "queries": 2,
                "query_fraction":
                    {"value": 0.25, "lower": 0.1, "upper": 0.5, "design_effect": 1.5},
                "corrected_query_fraction":
                    {"value": 0.75, "lower": 0.5, "upper": 1.0, "design_effect": 1.5},
                "addresses": {"1": 2, "2": 1, "3": 0},
                "address_fraction": {
                    "1": {"value": 0.25, "lower": 0.1, "upper": 0.5, "design_effect": 1.5},
                    "2": None, "3": None,
                },
                "categories": {"explicit": 2},
            }
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "length", "week"),
    [("hour", HOUR, None), ("7d", WEEK, None), ("24h", DAY, None), ("week", WEEK, "2026-W48")],
)
def test_only_calendar_weeks_have_a_name(kind: str, length: int, week: str | None) -> None:
    """A rolling window of seven days that starts on a Monday is no ISO week."""
    assert window_document(view(kind, length))["week"] == week


def test_an_open_window_has_counts_of_queries_only() -> None:
    """What needs distinct addresses is null until the window closes."""
    topic = TopicView("pedophile", 2, None, None, (None, None, None), {"explicit": 2})
    answer = window_document(view(closed=False, addresses=None, topics=(topic,)))
    assert (answer["closed"], answer["queries"], answer["addresses"]) == (False, 8, None)
    (items,) = answer["topics"]
    assert (items["queries"], items["addresses"], items["query_fraction"]) == (2, None, None)
    assert items["address_fraction"] == {"1": None, "2": None, "3": None}


shares = st.floats(0, 1)
estimates = st.none() | st.builds(Estimate, shares, shares, shares, st.floats(1, 1e6))
numbers = st.integers(0, 1 << 52)
topics = st.builds(
    TopicView,
    st.sampled_from(["pedophile", "pornographic"]),
    numbers,
    st.none() | st.tuples(numbers, numbers, numbers),
    estimates,
    st.tuples(estimates, estimates, estimates),
    st.dictionaries(st.text(), numbers, max_size=3),
    estimates,
)
windows = st.builds(
    WindowView,
    st.sampled_from(["1h", "24h", "7d", "hour", "week"]),
    st.integers(0, 1 << 42),
    st.integers(0, 1 << 42),
    st.booleans(),
    numbers,
    st.none() | numbers,
    numbers,
    shares,
    st.lists(topics, max_size=2).map(tuple),
)


@given(st.lists(windows, max_size=3), st.none() | st.integers(0, 1 << 42))
def test_a_page_is_what_its_model_would_write(
    views: list[WindowView], following: int | None
) -> None:
    """Read as the model it is valid to the last type, and nothing is lost or added."""
    breaks = [(MONDAY, "lexicon")]
    blocks = [windows_json(views[:1]), windows_json(views[1:]), windows_json([])]
    text = b"".join(window_page_json(blocks, breaks, following))
    page = WindowPage.model_validate_json(text, strict=True)
    assert json.loads(page.model_dump_json()) == json.loads(text)
    assert page.next == (None if following is None else iso_utc(following))
    assert [item.kind for item in page.breaks] == ["lexicon"]
    assert [json.loads(window.model_dump_json()) for window in page.windows] == [
        json.loads(json.dumps(window_document(view))) for view in views
    ]
