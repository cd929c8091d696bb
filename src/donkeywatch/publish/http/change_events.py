"""News for open pages: server-sent events, from one look at the database for all who wait."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from time import monotonic

from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.store.database_opening import connect

POLL_SECONDS = 0.25
"""Seconds between two looks, however many pages are open."""
MIN_INTERVAL_SECONDS = 1.0
"""Seconds that lie between two pieces of news at least."""
HEARTBEAT = 10.0
"""Seconds without a change after which a page gets a sign of life."""
MAX_STREAMS = 64
"""Pages that may be open at once."""
PLACES_PER_CLIENT = 8
"""Pages of one client among them."""
MAX_STREAM_SECONDS = 600.0
"""A stream ends after so many seconds, and its page asks for a place again."""


class EventFeed:
    """What is sent to the open pages; it lives in the event loop of the web server."""

    def __init__(
        self,
        snapshots: Callable[[], Snapshots],
        status: Callable[[], Status],
        ready_lag: Callable[[], int],
    ) -> None:
        self._snapshots, self._status, self._ready_lag = snapshots, status, ready_lag
        self._connection: sqlite3.Connection | None = None
        self._guard = threading.Lock()
        self._open: Counter[str] = Counter()
        self._looked = float("-inf")
        self._latest = ""

    def acquire(self, client: str) -> bool:
        """Take a place for a page of a client, until `release`; false where there is none."""
        if self._open.total() >= MAX_STREAMS or self._open[client] >= PLACES_PER_CLIENT:
            return False
        self._open[client] += 1
        return True

    def release(self, client: str) -> None:
        """Give the place of a page back."""
        self._open -= Counter({client: 1})
        if not self._open:
            self._close()

    async def stream(self, should_stop: Callable[[], bool]) -> AsyncIterator[str]:
        """Give the events for a page that has a place, until the server ends or the page is gone.

        `update` comes at once and then with each change, with what is in the database; `heartbeat`
        is a sign of life; `end` is the last event of a stream that has been open for long enough.
        """
        last_sent, at, last_write = "", float("-inf"), monotonic()
        until = last_write + MAX_STREAM_SECONDS
        while not should_stop():
            if monotonic() >= until:
                yield "event: end\ndata:\n\n"
                break
            last_seen, now = await self._current(), monotonic()
            if last_seen != last_sent and now - at >= MIN_INTERVAL_SECONDS:
                last_sent, at, last_write = last_seen, now, now
                yield f"event: update\ndata: {last_seen}\n\n"
            elif now - last_write >= HEARTBEAT:
                last_write = now
                yield "event: heartbeat\ndata:\n\n"
            await asyncio.sleep(POLL_SECONDS)

    async def _current(self) -> str:
        now = monotonic()
        if now - self._looked >= POLL_SECONDS:
            self._looked = now  # The others go on with what was seen before.
            with suppress(sqlite3.Error):  # Busy or gone: the next look is soon.
                self._latest = await asyncio.to_thread(self._poll_database)
        return self._latest

    def _poll_database(self) -> str:
        """The version of the data as this process counts it, the newest closed hour, the health."""
        with self._guard:
            if not self._open:
                return self._latest  # The last page has gone meanwhile.
            if self._connection is None:
                self._connection = connect(self._snapshots().path, read_only=True)
            db = self._connection
            (version,) = db.execute("pragma data_version").fetchone()
            hour = db.execute(
                "select start from windows where kind = 'hour' and closed = 1"
                " order by start desc limit 1"
            ).fetchone()
            (breaks,) = db.execute("select count(*) from breaks").fetchone()
        status = self._status()
        reasons = [*status.readiness_problems(self._ready_lag()), *status.notices]
        topics = [topic for topic, _ in status.topics]
        return json.dumps(
            {"data": version, "history": [*(hour or ()), breaks, *topics], "health": reasons},
            separators=(",", ":"),
        )

    def _close(self) -> None:
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
