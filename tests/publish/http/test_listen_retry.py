"""Waiting for the address: what passes is waited for, what does not is raised."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from donkeywatch.errors import AddressUnavailable, ConfigError, DonkeywatchError
from donkeywatch.publish.http import listen_retry as listeners
from donkeywatch.publish.http.listen_retry import ListenRetry
from donkeywatch.publish.http.server import Server
from donkeywatch.publish.http.socket_and_tls import bind
from donkeywatch.settings.schema import Http

GONE = AddressUnavailable("http: cannot listen", "wait")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "RETRY_SECONDS", 0.01)


def failing(*errors: DonkeywatchError) -> Callable[[], Server]:
    """Makes a server after some errors."""
    waiting = list(errors)

    def make() -> Server:
        if waiting:
            raise waiting.pop(0)
        return Server(FastAPI(openapi_url=None), Http(port=0))

    return make


def test_it_listens_as_soon_as_it_can() -> None:
    """Not listening is a problem until then; afterwards it answers, and says where."""
    ready, urls = threading.Event(), []
    listener = ListenRetry(failing(GONE, GONE, GONE))
    assert list(listener.problems) == [GONE.problem]

    def tell(url: str) -> None:
        urls.append(url)
        ready.set()

    listener.start(tell)
    assert ready.wait(20)
    assert not list(listener.problems)
    listener.check()
    assert httpx.get(urls[0], trust_env=False).status_code == 404
    listener.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(urls[0], trust_env=False)


def test_what_does_not_pass_is_raised() -> None:
    """At once, or where a later attempt has shown it."""
    wrong = ConfigError("http: never", "mend it")
    with pytest.raises(ConfigError, match="never"):
        ListenRetry(failing(wrong))
    listener = ListenRetry(failing(GONE, wrong))
    listener.start(lambda _url: None)
    until = time.monotonic() + 20
    while listener._failure is None and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(ConfigError, match="never"):
        listener.check()
    listener.stop()


def test_a_stop_ends_the_attempts() -> None:
    """No server comes up after it."""
    listener = ListenRetry(failing(*[GONE] * 1000))
    listener.start(lambda _url: None)
    before = time.monotonic()
    listener.stop()
    assert time.monotonic() - before < 10
    assert not [thread for thread in threading.enumerate() if thread.name == "listener"]


@pytest.mark.parametrize(
    ("host", "message"),
    [("192.0.2.77", "wait for the address"), ("monitor.invalid", "there is no host")],
)
def test_an_address_that_is_not_here_may_come(host: str, message: str) -> None:
    """So it is trouble that passes."""
    with pytest.raises(AddressUnavailable, match=message) as refused:
        bind(Http(host=host, port=0))
    assert refused.value.exit_code == 6
