"""News for open pages: what they are told, how often, and to how many."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect

from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http import change_events as module
from donkeywatch.publish.http import server
from donkeywatch.publish.http.change_events import EventFeed
from donkeywatch.publish.http.page_routes import EventStreamResponse
from donkeywatch.publish.snapshot import Snapshots
from support.browsing import Site, copied, served
from support.simulated_server import TOPICS


class Changing:
    """A database that can be changed, a status that can be replaced, and the feed of both."""

    def __init__(self, site: Site, directory: Path) -> None:
        state = copied(site, directory).state
        self.db = sqlite3.connect(state / "donkeywatch.db")
        self.db.execute("pragma journal_mode = wal")
        self.status = site.status
        self.over = False
        self.looks = 0
        self._clients = itertools.count(1)
        self.feed = EventFeed(lambda: Snapshots(state, TOPICS), self._current, lambda: 1 << 20)

    def _current(self) -> Status:
        self.looks += 1
        return self.status

    def change(self) -> None:
        """Commit something."""
        with self.db:
            self.db.execute("insert into counters values ('x', '', ?, 1)", (str(time.time()),))

    async def events(self) -> AsyncIterator[str]:
        """A stream of a page of another client each time, as the server sends it."""
        client = f"192.0.2.{next(self._clients)}"
        assert self.feed.acquire(client)
        try:
            async for event in self.feed.stream(lambda: self.over):
                yield event
        finally:
            self.feed.release(client)


@pytest.fixture
def changing(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Changing]:
    """A feed that looks a hundred times a second, and speaks ten times."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(module, "MIN_INTERVAL_SECONDS", 0.1)
    made = Changing(site, tmp_path)
    yield made
    made.db.close()


async def following(events: AsyncIterator[str]) -> tuple[str, Any]:
    """Kind and data of the next event."""
    text = await asyncio.wait_for(anext(events), 20)
    kind, data, empty = text.split("\n", 2)
    assert empty == "\n"
    body = data.removeprefix("data:")
    return kind.removeprefix("event: "), json.loads(body) if body else None


def test_news_come_at_once_and_with_each_change(changing: Changing) -> None:
    """The first event needs no change; a commit and another health are the next ones."""

    async def listen() -> None:
        events = changing.events()
        kind, first = await following(events)
        assert kind == "update"
        assert first["health"] == []
        assert first["history"][1:] == [0, *TOPICS]
        changing.change()
        _, second = await following(events)
        assert second["data"] != first["data"]
        assert second["history"] == first["history"]
        changing.status = replace(changing.status, engine_problems=("the disk is full",))
        _, third = await following(events)
        assert third["health"] == ["the disk is full"]
        changing.over = True
        with pytest.raises(StopAsyncIteration):
            await anext(events)

    asyncio.run(listen())


def test_changes_that_follow_each_other_fast_are_one_event(changing: Changing) -> None:
    """Between two events lies the period, however often the data change meanwhile."""

    async def listen() -> list[float]:
        events, times = changing.events(), []
        done = threading.Event()

        def work() -> None:
            while not done.wait(0.005):
                changing.change()

        changing.db.close()
        path = changing.feed._snapshots().path
        changing.db = sqlite3.connect(path, check_same_thread=False)
        worker = threading.Thread(target=work)
        worker.start()
        for _ in range(4):
            await following(events)
            times.append(time.monotonic())
        done.set()
        worker.join()
        changing.over = True
        await anext(events, None)
        return times

    times = asyncio.run(listen())
    assert all(b - a >= 0.099 for a, b in pairwise(times))


def test_silence_has_a_heartbeat(changing: Changing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without news a sign of life comes, so that a dead connection can be told from a quiet log."""
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)

    async def listen() -> list[tuple[str, Any]]:
        events = changing.events()
        items = [await following(events) for _ in range(3)]
        changing.over = True
        await anext(events, None)
        return items

    assert [kind for kind, _ in asyncio.run(listen())] == ["update", "heartbeat", "heartbeat"]


def test_all_pages_share_one_look(changing: Changing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty open pages look at the database as often as one does."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.2)

    async def listen() -> None:
        streams = [changing.events() for _ in range(30)]
        began = time.monotonic()
        await asyncio.gather(*(following(events) for events in streams))
        assert changing.looks <= 2 + (time.monotonic() - began) / 0.2
        changing.over = True
        await asyncio.gather(*(anext(events, None) for events in streams))

    asyncio.run(listen())
    assert changing.feed._connection is None


def test_the_number_of_pages_is_bounded_and_places_are_given_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One page too many is told to come back; when a page has gone its place is free again.

    A stop of the server ends the streams at once: they are not waited for.
    """
    monkeypatch.setattr(server, "SHUTDOWN_SECONDS", 120)
    monkeypatch.setattr("donkeywatch.publish.http.change_events.MAX_STREAMS", 2)
    client = httpx.Client(trust_env=False, timeout=20)
    with client, served(site.server, site.status) as other:
        url = f"{other.url}/api/v1/events"
        with client.stream("GET", url) as first, client.stream("GET", url) as two:
            kept = [first.iter_lines(), two.iter_lines()]
            assert [next(lines) for lines in kept] == ["event: update"] * 2
            assert first.headers["content-type"].startswith("text/event-stream")
            with client.stream("GET", url) as refused:
                assert refused.status_code == 503
                assert refused.headers["retry-after"] == "10"
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with client.stream("GET", url) as again:
                if again.status_code == 200:
                    break
        assert again.status_code == 200
        with client.stream("GET", url) as last:
            lines = last.iter_lines()
            assert next(lines) == "event: update"
            began = time.monotonic()
            stop(other)
            assert "heartbeat" not in "".join(lines)
        assert time.monotonic() - began < server.SHUTDOWN_SECONDS / 2


def test_a_crowd_that_comes_at_once_gets_no_more_places(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred requests in the same moment: as many are served as there are places."""
    monkeypatch.setattr(module, "PLACES_PER_CLIENT", 100)

    async def ask(url: str) -> Counter[int]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(trust_env=False, timeout=20, limits=limits) as client:
            arguments = [client.build_request("GET", url) for _ in range(100)]
            answers = await asyncio.gather(*(client.send(item, stream=True) for item in arguments))
            for answer in answers:
                await answer.aclose()
        return Counter(answer.status_code for answer in answers)

    with served(site.server, site.status) as other:
        result = asyncio.run(ask(f"{other.url}/api/v1/events"))
    assert result == {200: module.MAX_STREAMS, 503: 100 - module.MAX_STREAMS}


def test_one_client_takes_no_place_of_another(site: Site) -> None:
    """Its ninth page is refused, and a page of another address is not; nor are other requests."""
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with (
        served(site.server, site.status) as other,
        httpx.Client(trust_env=False, timeout=20) as greedy,
        httpx.Client(transport=elsewhere, timeout=20) as modest,
        ExitStack() as held,
    ):
        url = f"{other.url}/api/v1/events"
        answers = [held.enter_context(greedy.stream("GET", url)) for _ in range(40)]
        codes = Counter(answer.status_code for answer in answers)
        assert codes == {200: module.PLACES_PER_CLIENT, 503: 40 - module.PLACES_PER_CLIENT}
        with modest.stream("GET", url) as answer:
            assert next(answer.iter_lines()) == "event: update"
        for client in (greedy, modest):
            assert client.get(f"{other.url}/metrics").status_code == 200


def test_a_stream_that_has_lasted_long_ends_and_its_place_is_free(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last event says so, and the next page of the same client gets in."""
    monkeypatch.setattr(module, "PLACES_PER_CLIENT", 1)
    monkeypatch.setattr(module, "MAX_STREAM_SECONDS", 0.5)
    with (
        served(site.server, site.status) as other,
        httpx.Client(trust_env=False, timeout=20) as client,
    ):
        for _ in range(2):
            text = client.get(f"{other.url}/api/v1/events").text
            assert text.startswith("event: update\n")
            assert text.endswith("event: end\ndata:\n\n")


def test_a_page_that_is_gone_before_the_first_news_gives_its_place_back(
    changing: Changing,
) -> None:
    """Its stream was never begun."""

    async def nothing() -> Any:
        return {"type": "http.disconnect"}

    async def broken(_message: Any) -> None:
        raise OSError

    async def send() -> None:
        assert changing.feed.acquire("192.0.2.1")
        with suppress(OSError, ClientDisconnect, BaseExceptionGroup):
            await EventStreamResponse(changing.feed, "192.0.2.1", lambda: False)(
                {"type": "http"}, nothing, broken
            )

    asyncio.run(send())
    assert not changing.feed._open


def stop(site: Site) -> None:
    """Ask the server to stop, as the end of the daemon does."""
    assert site.running is not None
    site.running.stop()
