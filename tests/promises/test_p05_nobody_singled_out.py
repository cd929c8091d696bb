"""P5: what is shown of countries singles out nobody, alone or beside what else is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.publish.named_countries import MIN_NAMED_ADDRESSES, suppress_small_countries
from donkeywatch.publish.responses import CountryResponse, WindowPage, WindowResponse
from donkeywatch.publish.snapshot import CountryView
from donkeywatch.publish.trends import MAX_COUNTRIES, OTHER, _largest

COUNTS = st.lists(st.integers(1, 3 * MIN_NAMED_ADDRESSES), min_size=1, max_size=30)


def views(addresses: list[int]) -> list[CountryView]:
    """Give countries with so many addresses, as a window has them."""
    return [
        CountryView(f"C{i}", 5 * count, count, {"one": (count, count // 2)})
        for i, count in enumerate(addresses)
    ]


def test_the_threshold_is_a_hundred_addresses() -> None:
    """As docs/handling.md says."""
    assert MIN_NAMED_ADDRESSES == 100


@given(COUNTS)
def test_the_whole_less_what_is_named_is_a_hundred_addresses_or_none(addresses: list[int]) -> None:
    """Total minus parts: the difference is that of the rest, which is large or all there is."""
    named, rest = suppress_small_countries(views(addresses))
    assert all(view.addresses >= MIN_NAMED_ADDRESSES for view in named)
    difference = sum(addresses) - sum(view.addresses for view in named)
    assert difference == sum(view.addresses for view in rest)
    assert difference == 0 or difference >= MIN_NAMED_ADDRESSES or not named


@given(COUNTS)
def test_metrics_name_no_country_that_the_api_does_not(addresses: list[int]) -> None:
    """Answer against answer: the largest of the named ones, and all others put together."""
    shown = _largest(views(addresses))
    named, _ = suppress_small_countries(views(addresses))
    assert {total.country for total in shown} - {OTHER} <= {view.country for view in named}
    assert len(shown) <= MAX_COUNTRIES + 1
    assert sum(total.queries for total in shown) == 5 * sum(addresses)


def test_no_single_hour_tells_of_countries() -> None:
    """Hour against week: which countries an hour had would tell of those that its week hides."""
    assert not [name for name in WindowResponse.model_fields if "countr" in name]
    assert not [name for name in WindowPage.model_fields if "countr" in name]


def test_an_answer_tells_a_country_and_no_address_of_it() -> None:
    """The fields of an answer are counts and fractions."""
    fields = set(CountryResponse.model_fields)
    assert fields == {"country", "countries", "queries", "addresses", "topics"}
