"""The answer of `/readyz`, which the command line reads; the reasons are those of `Status`."""

from __future__ import annotations

from pydantic import BaseModel, Field

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.publish.engine_status import SourceStatus


class SourceHealth(BaseModel):
    """One log as it is followed."""

    name: str = Field(examples=["main"])
    following: bool = Field(description="the log is there and can be read")
    caught_up: bool = Field(description="all that is there has been read")
    lag_bytes: int = Field(examples=[0], description="bytes on disk that are not counted yet")
    last_event: str | None = Field(examples=["2026-11-23T10:31:07Z"])
    error: str | None = Field(examples=[None], description="what went wrong last; never a line")


class Health(BaseModel):
    """Whether the daemon works, and if it is not ready, why."""

    ready: bool
    state: str = Field(
        examples=["5d41402abc4b2a76"],
        description="tells the state directory of the daemon from others",
    )
    reasons: list[str] = Field(examples=[[]])
    notices: list[str] = Field(
        default=[], examples=[[]], description="what has to be done before it is too late"
    )
    sources: list[SourceHealth]


def source_health(source: SourceStatus) -> SourceHealth:
    """The answer for a log."""
    return SourceHealth(
        name=source.name,
        following=source.following,
        caught_up=source.caught_up,
        lag_bytes=source.lag_bytes,
        last_event=None if source.last_event is None else iso_utc(source.last_event),
        error=source.error,
    )
