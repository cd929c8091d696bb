"""The JSON answers: their form, and how views become them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from donkeywatch.estimation.intervals import Estimate
from donkeywatch.publish.hour_profile import BoxPlot


class Interval(BaseModel):
    """A fraction from 0 to 1 with its 95 % interval."""

    value: float = Field(examples=[0.00251])
    lower: float = Field(examples=[0.00219])
    upper: float = Field(examples=[0.00288])
    design_effect: float = Field(
        examples=[1.7], description="how much wider than for independent trials the variance is"
    )


class TopicResponse(BaseModel):
    """One topic in one window."""

    topic: str = Field(examples=["pedophile"])
    queries: int = Field(examples=[203], description="flagged queries")
    query_fraction: Interval | None = Field(
        description="flagged queries over queries, interval clustered by address;"
        " null until the window closes and where there were no queries"
    )
    corrected_query_fraction: Interval | None = Field(
        description="the query fraction corrected for errors of the detector, Lang-Reiczigel"
        " interval; null without a validation record that fits the lexicon of the window"
    )
    addresses: dict[str, int] | None = Field(
        examples=[{"1": 151, "2": 33, "3": 11}],
        description="distinct addresses with at least so many flagged queries",
    )
    address_fraction: dict[str, Interval | None] = Field(
        description="the same over all distinct addresses, Wilson interval"
    )
    categories: dict[str, int] = Field(
        examples=[{"explicit": 61, "child_sex": 142}],
        description="flagged queries by category; empty for rolling windows",
    )


class SpliceResponse(BaseModel):
    """By how much a series grew when another word list took over."""

    time: str = Field(examples=["2026-11-23T10:00:00Z"], description="when it took over")
    topic: str = Field(examples=["pedophile"])
    since: str = Field(
        examples=["2026-11-16T10:00:00Z"],
        description="since when both lists were compared with the same queries",
    )
    factor: Interval = Field(
        description="flagged queries of the new list for one of the old, paired by query and"
        " clustered by address"
    )
    old_queries: int = Field(examples=[5203], description="flagged queries of the old list")
    new_queries: int = Field(examples=[5901], description="flagged queries of the new list")
    addresses: int = Field(examples=[2880], description="addresses behind them, by week")


class SplicesResponse(BaseModel):
    """All splices, oldest first. Series are never spliced unless somebody asks for it."""

    splices: list[SpliceResponse] = Field(
        examples=[[]], description="empty where no list ever took over"
    )


class WindowResponse(BaseModel):
    """One window of event time, UTC."""

    window: str = Field(examples=["24h"], description="1h, 24h, 7d (rolling), hour or week")
    start: str = Field(examples=["2026-11-22T10:31:00Z"])
    end: str = Field(examples=["2026-11-23T10:31:00Z"], description="exclusive")
    week: str | None = Field(examples=["2026-W47"], description="ISO week, for weeks only")
    closed: bool = Field(description="false while lines are still expected")
    coverage: float = Field(
        examples=[1.0], description="share of its seconds for which the log was followed"
    )
    queries: int = Field(examples=[80518])
    addresses: int | None = Field(examples=[31712], description="distinct; null until closed")
    late: int = Field(examples=[0], description="queries that came after it had closed")
    topics: list[TopicResponse]


class FractionsResponse(BaseModel):
    """What fraction of queries and of addresses is flagged, now."""

    lexicon: str = Field(examples=["9f3c2a0d5b61e774"], description="keyed digest, nothing else")
    windows: list[WindowResponse]


class BreakResponse(BaseModel):
    """A change of the measurement itself; no trend may be drawn across it."""

    time: str = Field(examples=["2026-11-20T08:00:00Z"])
    kind: str = Field(examples=["lexicon"], description="lexicon, countries, format, normalisation")


class WindowPage(BaseModel):
    """Windows in a range, oldest first."""

    windows: list[WindowResponse]
    breaks: list[BreakResponse] = Field(description="changes of the measurement in the range")
    next: str | None = Field(
        examples=[None], description="`from` of the next page, null on the last one"
    )


class BoxPlotResponse(BaseModel):
    """A box-plot whose points are days (Tukey 1977)."""

    low: float = Field(
        examples=[0.0021], description="smallest point within 1.5 interquartile ranges of the box"
    )
    q1: float = Field(examples=[0.0046])
    median: float = Field(examples=[0.0062])
    q3: float = Field(examples=[0.0079])
    high: float = Field(examples=[0.0117], description="largest such point")


class ProfileHour(BaseModel):
    """One local hour of the day; null where there is no closed hour."""

    hour: int = Field(examples=[5])
    days: int = Field(examples=[56])
    queries: float | None = Field(examples=[21851.0], description="mean per day")
    flagged: float | None = Field(examples=[118.0], description="mean per day")
    mean_of_ratios: float | None = Field(examples=[0.00649])
    ratio_of_sums: float | None = Field(examples=[0.0054])
    query_box: BoxPlotResponse | None = Field(description="queries of each day in this hour")
    ratio_box: BoxPlotResponse | None = Field(
        description="fraction of each day that had queries then"
    )


class ProfileResponse(BaseModel):
    """The 24 hours of the day in the countries' own time, or in UTC."""

    topic: str = Field(examples=["pedophile"])
    countries: list[str] = Field(examples=[["AR", "BR"]], description="empty: all countries")
    clock: Literal["local", "utc"] = Field(
        examples=["local"], description="utc: no whole week in the range"
    )
    hours: list[ProfileHour]


class CountryTopic(BaseModel):
    """One topic in one country."""

    topic: str = Field(examples=["pedophile"])
    queries: int = Field(examples=[61], description="flagged queries")
    query_fraction: float | None = Field(examples=[0.0031])
    addresses: int = Field(examples=[40], description="distinct addresses with a flagged query")
    address_fraction: Interval | None = Field(description="over its addresses, Wilson interval")


class CountryResponse(BaseModel):
    """One country in the week, or all small ones together."""

    country: str | None = Field(
        examples=["FR"], description="ISO 3166 code at arrival, ZZ where unknown; null: the rest"
    )
    countries: int = Field(examples=[1], description="how many countries these figures are of")
    queries: int = Field(examples=[19842])
    addresses: int = Field(examples=[7610], description="distinct addresses")
    topics: list[CountryTopic]


class CountriesResponse(BaseModel):
    """One closed ISO week by country, most queries first; small countries are put together."""

    week: str | None = Field(examples=["2026-W47"], description="null: no week has closed yet")
    coverage: float | None = Field(examples=[1.0])
    countries: list[CountryResponse]


class IndexPath(BaseModel):
    """A path and what it answers."""

    path: str = Field(examples=["/api/v1/weeks"])
    summary: str = Field(examples=["ISO weeks, UTC, oldest first."])


class IndexResponse(BaseModel):
    """What can be asked for; parameters and forms are at `/docs` and `/openapi.json`."""

    version: str = Field(examples=["0.2.0"])
    paths: list[IndexPath]


class RequestError(BaseModel):
    """Why a request is not answered, and what to do."""

    status: int = Field(examples=[422], description="that of HTTP")
    message: str = Field(examples=["a time is in none of the known forms"])
    remedy: str = Field(examples=["give times as 2026-11-23T10:00:00Z, 2026-11-23 or 2026-W48"])


class ErrorResponse(BaseModel):
    """The form of every answer to a request that is refused or failed."""

    error: RequestError = Field(
        examples=[
            {
                "status": 422,
                "message": "`from` is after `to`",
                "remedy": "exchange them, or leave one out",
            }
        ]
    )


def interval(estimate: Estimate | None) -> Interval | None:
    """The answer for an estimate."""
    if estimate is None:
        return None
    return Interval(
        value=estimate.value,
        lower=estimate.lower,
        upper=estimate.upper,
        design_effect=estimate.design_effect,
    )


def box_answer(box: BoxPlot | None) -> BoxPlotResponse | None:
    """The answer for a box-plot."""
    if box is None:
        return None
    return BoxPlotResponse(low=box.low, q1=box.q1, median=box.median, q3=box.q3, high=box.high)
