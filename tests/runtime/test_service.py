"""The daemon's own words: a problem is told once when it comes, and once when it goes."""

from __future__ import annotations

import itertools
import logging
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from donkeywatch.publish.engine_status import SourceStatus, Status
from donkeywatch.runtime import service as service_module
from donkeywatch.runtime.clocks import monotonic_ms
from donkeywatch.runtime.fleet_shipping import SHIPPING_SECONDS, FleetShipping
from donkeywatch.runtime.service import Service
from donkeywatch.runtime.wakeup_watcher import WakeupWatcher
from donkeywatch.settings import loader
from donkeywatch.simulation.generator import Simulation
from donkeywatch.sources.fingerprints import Fingerprint
from donkeywatch.sources.generation_state import OPEN
from support.simulated_server import START, simulated

GOOD = SourceStatus("main", True, True, 0, 0, None, None)
DAMAGED, FORMAT = "a.gz: damaged", "none of its lines is a search"


def of(error: str | None) -> Status:
    """One source that is followed and complains of that."""
    return Status(sources=(replace(GOOD, error=error),))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One that was made and does not run."""
    made = simulated(tmp_path, Simulation(seed=1, start=START, hours=24, queries=9, addresses=10))
    with made.settings.open("a", encoding="utf-8") as settings:
        settings.write("\n[http]\nport = 0\n")
    ready = Service(made.settings, loader.load(made.settings))
    yield ready
    ready._stopping = True
    ready.run()  # It ends at once, and gives back what it holds.


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the journal says of sources since the last call."""
    caplog.set_level(logging.INFO)

    def messages() -> list[str]:
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return [line for line in lines if "source" in line]

    return messages


def test_each_complaint_is_told_when_it_comes_and_that_it_went(
    service: Service, logged: Callable[[], list[str]]
) -> None:
    """Two different ones behind each other are both told; one that lasts is told once."""
    course = [None, DAMAGED, DAMAGED, FORMAT, FORMAT, None, None]
    for before, after in itertools.pairwise(course):
        service._log_changes(of(before), of(after))
    assert logged() == [
        f"source main: {DAMAGED}",
        f"source main: {FORMAT}",
        "source main: nothing is wrong with it any more",
    ]


def test_another_reason_for_not_being_ready_is_told(
    service: Service, logged: Callable[[], list[str]]
) -> None:
    """That there is less to read is the same reason; that it may not be read is another."""
    lag = loader.load(service._path).follow.ready_lag
    behind = [replace(GOOD, caught_up=False, lag_bytes=lag + more) for more in (9, 5)]
    denied = replace(GOOD, following=False, error="search.log: Permission denied")
    course = [GOOD, *behind, denied, denied, GOOD]
    for before, after in itertools.pairwise(course):
        service._log_changes(Status(sources=(before,)), Status(sources=(after,)))
    assert logged() == [
        f"not ready: source main: {lag + 9} bytes behind",
        "not ready: source main: search.log: Permission denied",
        "ready: 1 source(s) followed and caught up",
    ]


def test_a_settled_daemon_waits_for_a_change_as_long_as_everything_allows(
    service: Service,
) -> None:
    """The systemd watchdog, a fleet, and a setting that says when a log counts as unobserved."""
    service._logged_status = Status(sources=(GOOD,), ready=True)
    service._engine.store.log_left = False
    gap = service._settings.time.max_gap
    assert service._idle_seconds == gap / 2
    service._manager.sign_seconds = gap / 4
    assert service._idle_seconds == gap / 4
    service._fleet = FleetShipping(service._path, service._settings)
    assert service._idle_seconds == SHIPPING_SECONDS


def something_is_wrong(service: Service) -> None:
    """A log is damaged."""
    service._logged_status = replace(of(DAMAGED), ready=True)


def something_is_not_stored(service: Service) -> None:
    """Some bytes were read since the last commit."""
    service._engine.scheduler.pending_bytes = 1


def the_write_ahead_log_is_not_emptied(service: Service) -> None:
    """A reader prevented it."""
    service._engine.store.log_left = True


def a_commit_was_made_a_moment_ago(service: Service) -> None:
    """What became due meanwhile was left for the time after the next one."""
    service._engine.scheduler.on_commit(monotonic_ms())


def a_file_is_looked_for(service: Service) -> None:
    """The file of a generation that is not read to its end is nowhere."""
    service._engine.streams[0].follower.registry.new(Fingerprint(offset=9), OPEN)


def a_copy_is_being_made(service: Service) -> None:
    """A backup has begun."""
    service._engine.backups._thread = threading.current_thread()


@pytest.mark.parametrize(
    "work",
    [
        something_is_wrong, something_is_not_stored, the_write_ahead_log_is_not_emptied,
        a_commit_was_made_a_moment_ago, a_file_is_looked_for, a_copy_is_being_made,
    ],
)  # fmt: skip
def test_a_daemon_with_work_left_waits_for_no_change(
    service: Service, work: Callable[[Service], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next turn comes as soon as that of a busy one."""
    service._engine.store.log_left = False
    service._logged_status = Status(sources=(GOOD,), ready=True)
    assert service._idle_seconds > 0
    monkeypatch.setattr(service._engine.backups, "_thread", None)
    work(service)
    assert service._idle_seconds == 0
    service._engine.backups._thread = None


def test_a_signal_during_a_reload_is_obeyed_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It rang the watcher of before, which is gone; the next one may not be able to watch."""

    def without_inotify(logs: Iterable[Path], **_options: bool) -> WakeupWatcher:
        return WakeupWatcher(logs, enabled=False)

    monkeypatch.setattr(service_module, "WakeupWatcher", without_inotify)
    service._on_stop(signal.SIGTERM, None)
    service._start_watcher()
    assert service._wakeup.wait(0)


def test_a_reload_mends_nothing(service: Service, logged: Callable[[], list[str]]) -> None:
    """The new engine has not looked for as long: that it does not complain yet means nothing."""
    service._logged_status = of(FORMAT)
    service._reload()
    service._log_changes(service._logged_status, of(None))
    service._log_changes(of(None), of(FORMAT))
    assert logged() == [
        "ready: 1 source(s) followed and caught up", f"source main: {FORMAT}"
    ]  # fmt: skip


def test_a_reload_says_what_it_took_and_what_waits_for_a_start(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """By name; what waits is not said to be reloaded."""
    caplog.set_level(logging.INFO)
    text = service._path.read_text("utf-8")

    def reload_messages(changed: str) -> list[str]:
        service._path.write_text(changed, "utf-8")
        caplog.clear()
        service._reload()
        return [record.getMessage() for record in caplog.records]

    assert reload_messages(text) == ["settings reloaded: nothing has changed"]
    later = text.replace("port = 0", 'port = 0\nroot_path = "/donkeywatch"')
    assert reload_messages(later) == ["not taken before the next start: http.root_path"]
    more = later + "[time]\nlateness = 60\n"
    assert reload_messages(more) == ["settings reloaded: time.lateness"]
    words = service._settings.lexicon
    assert words is not None
    words.write_text(words.read_text("utf-8").replace('title = "', 'title = "other ', 1), "utf-8")
    (line,) = reload_messages(more)
    assert line.startswith(
        "settings reloaded: the new word list is taken when the next hour begins"
    )


def test_sources_whose_names_are_alike_are_told_each(
    service: Service, logged: Callable[[], list[str]]
) -> None:
    """What differs in the bytes to be read alone is the same; in a number of a name it is not."""
    first, two = (
        replace(GOOD, name=f"server{n}", following=False, error=f"server{n}/search.log: gone")
        for n in (1, 2)
    )
    valid = replace(two, following=True, error=None)
    service._log_changes(Status(sources=(first, valid)), Status(sources=(first, two)))
    assert logged() == ["not ready: source server2: server2/search.log: gone"]
