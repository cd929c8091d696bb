"""Windows as JSON: plain dictionaries of the form of `WindowResponse`, many in little time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from donkeywatch.counting.calendar import iso_utc, week_name
from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.window_views import TopicView, WindowView

Document = dict[str, Any]

iso_time = lru_cache(maxsize=1024)(iso_utc)
"""A window ends where the next one starts."""


def window_document(view: WindowView) -> Document:
    """Give a window in the form of `WindowResponse`.

    A model would be checked for each of thousands of windows, which takes five times as long; that
    it has this form is checked by a test.
    """
    return {
        "window": view.kind,
        "start": iso_time(view.start),
        "end": iso_time(view.end),
        "week": week_name(view.start) if view.kind == "week" else None,
        "closed": view.closed,
        "coverage": view.coverage,
        "queries": view.queries,
        "addresses": view.addresses,
        "late": view.late,
        "topics": [_topic_document(topic) for topic in view.topics],
    }


def _topic_document(view: TopicView) -> Document:
    at_least_one, two, three = map(_interval_document, view.address_fractions)
    addresses = view.addresses
    return {
        "topic": view.topic,
        "queries": view.queries,
        "query_fraction": _interval_document(view.query_fraction),
        "corrected_query_fraction": _interval_document(view.corrected),
        "addresses": addresses and {"1": addresses[0], "2": addresses[1], "3": addresses[2]},
        "address_fraction": {"1": at_least_one, "2": two, "3": three},
        "categories": view.categories,
    }


def _interval_document(estimate: Estimate | None) -> Document | None:
    if estimate is None:
        return None
    value, lower, upper, effect = estimate
    return {"value": value, "lower": lower, "upper": upper, "design_effect": effect}


def windows_json(views: Sequence[WindowView]) -> bytes:
    """Give the text of windows, with commas between them."""
    return to_json([window_document(view) for view in views])[1:-1]


def window_page_json(
    windows: Iterable[bytes], breaks: Sequence[tuple[int, str]], following: int | None
) -> Iterator[bytes]:
    """Give the text of a `WindowPage` in parts, of the texts of its windows.

    ``breaks`` have their time (ms UTC) and kind; ``following`` is the start of the next page.
    """
    yield b'{"windows":['
    separator = b""
    for text in filter(None, windows):
        yield separator + text
        separator = b","
    changes = [{"time": iso_utc(time), "kind": kind} for time, kind in breaks]
    yield b'],"breaks":' + to_json(changes)
    yield b',"next":' + to_json(None if following is None else iso_utc(following)) + b"}"
