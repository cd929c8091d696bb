"""What `fleet serve` answers beside the figures: which servers are in them, and sealed keys."""

from __future__ import annotations

import json
from collections.abc import Callable

from fastapi import APIRouter
from pydantic import BaseModel, Field

from donkeywatch.counting.calendar import iso_utc
from donkeywatch.fleet import key_issue
from donkeywatch.fleet.key_receipt import KEYS_PATH
from donkeywatch.publish.http.error_responses import NOT_THERE, RequestRefused
from donkeywatch.settings import state_files
from donkeywatch.settings.schema import Settings
from donkeywatch.store import database_opening

PATH = "/api/v1/fleet"


class OutsideResponse(BaseModel):
    """A server of which hours of a window are not in the union."""

    server: str = Field(examples=["second"])
    reasons: list[str] = Field(examples=[["its rows are under another key"]])
    hours: int = Field(examples=[3], description="how many of its hours are left out")
    queries: int = Field(examples=[1201], description="their queries")


class FleetWindow(BaseModel):
    """Which servers are in the figures of a window."""

    window: str = Field(examples=["7d"])
    start: str = Field(examples=["2026-11-16T10:00:00Z"])
    servers: list[str] = Field(examples=[["first", "third"]])
    outside: list[OutsideResponse]
    shared_addresses: int = Field(
        examples=[803], description="distinct addresses that asked at more than one server"
    )


class FleetResponse(BaseModel):
    """The servers of a fleet, and which are in the newest window of each kind."""

    servers: list[str] = Field(examples=[["first", "second", "third"]])
    windows: list[FleetWindow]


class SealedKeysResponse(BaseModel):
    """The sealed keys that wait for a server; each can be opened there alone."""

    keys: list[str]


def fleet_router(settings: Callable[[], Settings]) -> APIRouter:
    """The paths, which read the database of the union and the sealed keys beside it."""
    router = APIRouter()

    @router.get(PATH)
    def fleet() -> FleetResponse:
        """List the servers in the newest united windows, and those that are not in and why."""
        return FleetResponse(
            servers=sorted(settings().fleet.servers), windows=newest_windows(settings())
        )

    @router.get(f"{KEYS_PATH}/{{server}}", responses=NOT_THERE)
    def keys(server: str) -> SealedKeysResponse:
        """The sealed keys of a server, for it to fetch; needs a token with the scope `fleet`."""
        if server not in settings().fleet.servers:
            raise RequestRefused(
                404, "there is no such server", "name it in the table `[fleet.servers]`"
            )
        return SealedKeysResponse(
            keys=[sealed.to_text() for sealed in key_issue.sealed_for(settings(), server)]
        )

    return router


def newest_windows(settings: Settings) -> list[FleetWindow]:
    """Read which servers are in the newest window of each kind."""
    db = database_opening.connect(settings.state / state_files.DATABASE, read_only=True)
    try:
        rows = db.execute(
            "select kind, max(start), servers, outside, shared_addresses from fleet_windows"
            " group by kind order by kind"
        ).fetchall()
    finally:
        db.close()
    return [
        FleetWindow(
            window=kind,
            start=iso_utc(start),
            servers=json.loads(servers),
            outside=[OutsideResponse(server=k, **v) for k, v in json.loads(outside).items()],
            shared_addresses=shared,
        )
        for kind, start, servers, outside, shared in rows
    ]
