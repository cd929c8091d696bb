"""`fleet serve`: keeps the union up to date, hands out keys, and serves the figures."""

from __future__ import annotations

import logging
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI

from donkeywatch.counting.calendar import HOUR, SECOND, iso_utc, week_name
from donkeywatch.errors import ConfigError, DonkeywatchError, WarehouseError
from donkeywatch.fleet import key_issue
from donkeywatch.fleet.api_routes import fleet_router, newest_windows
from donkeywatch.fleet.union_refresh import UnionRefresh
from donkeywatch.fleet.union_tables import ANY
from donkeywatch.fleet.warehouse_opening import open_warehouse
from donkeywatch.publish.engine_status import FleetWindowStatus, SourceStatus, Status
from donkeywatch.publish.http.app import create_app
from donkeywatch.publish.http.listen_retry import ListenRetry
from donkeywatch.publish.http.released_app import make_public_server
from donkeywatch.publish.http.server import Server
from donkeywatch.runtime import installation_state
from donkeywatch.runtime.clocks import monotonic_ms, wall_ms
from donkeywatch.runtime.pid_file import registered
from donkeywatch.runtime.releaser import Releaser
from donkeywatch.runtime.repeated_messages import ANSWER
from donkeywatch.runtime.service_manager import ServiceManager
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.store import database_opening
from donkeywatch.store.backups import Backups
from donkeywatch.store.store import Store

log = logging.getLogger("donkeywatch")
REFRESH_SECONDS = 10.0
"""Time between two looks at what the servers have shipped."""
SILENT_MS = 3 * HOUR
"""After so long without a new hour a server is said to be silent."""


class UnionService:
    """One process: the union in the main thread, the web server beside it."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        if not settings.fleet.servers:
            raise ConfigError(
                "the settings name no servers of a fleet",
                "give each server's name and public key in the table `[fleet.servers]`",
            )
        self._settings = settings
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = database_opening.lock(settings.state)
        self._store = Store(settings.state, [])
        known = self._store.connection.execute("select distinct topic from window_topics")
        self._store.topics = tuple(topic for (topic,) in known)
        self._state_id = installation_state.state_id(self._store)
        interval = round(settings.backup.interval * SECOND)
        self._backups = Backups(self._store.path, interval, settings.backup.keep)
        self._union = UnionRefresh(self._store, settings.fleet.servers)
        self._releaser = Releaser(self._store, settings.release)
        self._problem = "the first look at the fleet is not done"
        self._stop, self._reloading = threading.Event(), False
        self._wakeup = threading.Event()
        self._manager = ServiceManager()
        self._listeners: list[ListenRetry] = [
            ListenRetry(lambda: Server(self._make_app(), self._settings.http)),
        ]
        self._status = self._current_status()
        if (port := settings.release.port) is not None:
            self._listeners.append(ListenRetry(lambda: make_public_server(self._settings, port)))

    def run(self, ready: Callable[[str], None] = lambda _url: None) -> None:
        """Serve until SIGTERM or SIGINT; `ready` is told the URL once it answers."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            for listener in self._listeners:
                listener.start(ready if listener is self._listeners[0] else lambda _url: None)
            self._manager.ready(monotonic_ms() / SECOND)
            with registered(self._settings.state):
                while not self._stop.is_set():
                    self.step(wall_ms(), monotonic_ms())
                    self._wakeup.wait(REFRESH_SECONDS)
            self._manager.stopping()
            log.info("stopped")
        finally:
            for listener in self._listeners:
                listener.stop()
            self.close()

    def _on_signal(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self._reloading = True
        else:
            self._stop.set()
        self._wakeup.set()

    def _reload(self) -> None:
        """Take new settings, such as another server, or keep the old ones if any is wrong."""
        self._wakeup.clear()
        self._reloading = False
        try:
            new = loader.load(self._path)
            if new.state != self._settings.state or not new.fleet.servers:
                raise ConfigError(
                    "`state` and what makes this a fleet cannot change while running",
                    "restart instead",
                )
            self._listeners[0].renew(new.http)
        except DonkeywatchError as error:
            log.error("settings not reloaded: %s -> %s", error.problem, error.remedy, extra=ANSWER)
            return
        self._settings, self._union.servers = new, tuple(new.fleet.servers)
        log.info("settings reloaded: %d server(s)", len(new.fleet.servers), extra=ANSWER)

    def step(self, now: int, steady: int) -> None:
        """Look at the fleet once, and do what is due; ``now`` is ms UTC."""
        if self._reloading:
            self._reload()
        for listener in self._listeners:
            listener.check()
        before, self._problem = self._problem, ""
        try:
            with open_warehouse(self._settings.fleet) as warehouse:
                due = key_issue.due_weeks(self._settings, now)
                for week in key_issue.weeks_without_key(self._settings, warehouse, due):
                    key_issue.make_week_key(self._settings, week, warehouse, now)
                    log.info("made and sealed the key of week %s", week_name(week))
                self._union.refresh(warehouse, now)
        except WarehouseError as error:
            self._problem = error.problem
        except (sqlite3.OperationalError, OSError) as error:
            self._problem = f"the union cannot be stored ({database_opening.reason(error)})"
        if self._problem and self._problem != before:
            log.warning("not ready: %s", self._problem)
        if before and not self._problem:
            log.info("ready: %d server(s) in the fleet", len(self._settings.fleet.servers))
        key_issue.destroy_outlived(self._settings, now)
        self._store.topics = self._union.topics or self._store.topics
        newest = max((record.hour for record in self._union.records.values()), default=None)
        if newest is not None and not self._problem:
            while self._releaser.release_due(min(now, newest + HOUR), now):
                pass
            self._backups.start_if_due(now, steady)
        self._status = self._current_status()
        self._manager.alive(steady / SECOND, self._problem or "ready")

    def close(self) -> None:
        """Give everything back."""
        self._backups.cancel()
        self._store.close()
        self._lock.close()

    def _make_app(self) -> FastAPI:
        app = create_app(lambda: self._settings, lambda: self._status)
        app.include_router(fleet_router(lambda: self._settings))
        return app

    def _current_status(self) -> Status:
        problems = [problem for listener in self._listeners for problem in listener.problems]
        windows = [
            FleetWindowStatus(
                each.window,
                len(each.servers),
                sum(outside.queries for outside in each.outside),
                each.shared_addresses,
            )
            for each in newest_windows(self._settings)
        ]
        return Status(
            sources=tuple(map(self._server_status, sorted(self._settings.fleet.servers))),
            last_commit=wall_ms() if not self._problem else None,
            last_backup=self._backups.last,
            state_id=self._state_id,
            topics=tuple((topic, (ANY,)) for topic in self._store.topics),
            fleet_windows=tuple(windows),
            engine_problems=(*((self._problem,) if self._problem else ()), *problems),
            ready=not self._problem,
        )

    def _server_status(self, name: str) -> SourceStatus:
        record = self._union.records.get(name)
        error = None
        if record is None:
            error = "it has shipped nothing yet"
        elif record.hour + HOUR + SILENT_MS < wall_ms():
            error = f"it has shipped nothing since {iso_utc(record.hour + HOUR)}"
        return SourceStatus(
            name=name,
            following=True,
            caught_up=True,
            lag_bytes=0,
            offset_bytes=0,
            last_event=None if record is None else record.hour + HOUR,
            error=error,
        )
