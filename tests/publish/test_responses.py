"""The forms of the JSON answers, and how views become them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import BaseModel, TypeAdapter

from donkeywatch.counting.calendar import DAY, HOUR, WEEK, week_start
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish import responses
from donkeywatch.publish.snapshot import TopicView, WindowView

MODELS = [
    model
    for model in vars(responses).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model is not BaseModel
]
MONDAY = week_start("2026-W48")
ESTIMATE = Estimate(0.25, 0.1, 0.5, 1.5)


def view(kind: str = "hour", length: int = HOUR, **changes: object) -> WindowView:
    """A closed window with one topic."""
    topic = TopicView("pedophile", 2, (2, 1, 0), ESTIMATE, (ESTIMATE, None, None), {"explicit": 2})
    topic = replace(topic, corrected=Estimate(0.75, 0.5, 1.0, 1.5))
    values: dict[str, object] = {
        "kind": kind, "start": MONDAY, "end": MONDAY + length, "closed": True, "queries": 8,
        "addresses": 4, "late": 1, "coverage": 0.5, "topics": (topic,),
    }  # fmt: skip
    return WindowView(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_every_example_is_a_valid_value(model: type[BaseModel]) -> None:
    """What the documentation shows could be an answer."""
    result = 0
    for field in model.model_fields.values():
        assert field.annotation is not None
        for example in field.examples or []:
            TypeAdapter(field.annotation).validate_python(example, strict=True)
            result += 1
    assert result


def test_a_window_keeps_all_its_figures() -> None:
    """Times become ISO 8601, thresholds become the names 1, 2 and 3, and nothing is lost."""
    assert responses.window_response(view()).model_dump() == {
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
    assert responses.window_response(view(kind, length)).week == week


def test_an_open_window_has_counts_of_queries_only() -> None:
    """What needs distinct addresses is null until the window closes."""
    topic = TopicView("pedophile", 2, None, None, (None, None, None), {"explicit": 2})
    answer = responses.window_response(view(closed=False, addresses=None, topics=(topic,)))
    assert (answer.closed, answer.queries, answer.addresses) == (False, 8, None)
    (items,) = answer.topics
    assert (items.queries, items.addresses, items.query_fraction) == (2, None, None)
    assert items.address_fraction == {"1": None, "2": None, "3": None}


def test_no_address_can_be_in_an_answer() -> None:
    """Every text in an answer is a topic, a category, a country, a time or a reason."""
    texts = {
        (model.__name__, name)
        for model in MODELS
        for name, field in model.model_fields.items()
        if "str" in str(field.annotation)
    }
    assert texts == {
        ("BreakResponse", "time"), ("BreakResponse", "kind"),
        ("CountriesResponse", "week"), ("CountryResponse", "country"),
        ("CountryTopic", "topic"), ("ErrorResponse", "detail"),
        ("FractionsResponse", "lexicon"), ("Health", "reasons"),
        ("Health", "notices"), ("WindowPage", "next"),
        ("ProfileResponse", "topic"), ("ProfileResponse", "countries"),
        ("SourceHealth", "name"), ("SourceHealth", "error"),
        ("SourceHealth", "last_event"), ("TopicResponse", "topic"),
        ("TopicResponse", "addresses"), ("TopicResponse", "address_fraction"),
        ("TopicResponse", "categories"), ("WindowResponse", "window"),
        ("WindowResponse", "start"), ("WindowResponse", "end"),
        ("WindowResponse", "week"),
    }  # fmt: skip
