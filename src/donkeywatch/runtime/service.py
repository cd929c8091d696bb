"""The daemon: start-up, the main loop, reload and shutdown."""

from __future__ import annotations

import contextlib
import logging
import math
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from donkeywatch.counting.calendar import SECOND, iso_utc, utc, week_name
from donkeywatch.errors import ConfigError, DatabaseUnavailableError, DonkeywatchError
from donkeywatch.estimation.correction import Accuracy
from donkeywatch.evaluation import validation_record
from donkeywatch.evaluation.validation_record import ValidationRecord
from donkeywatch.publish.engine_status import Status
from donkeywatch.publish.http.app import create_app
from donkeywatch.publish.http.listen_retry import ListenRetry
from donkeywatch.publish.http.released_app import make_public_server
from donkeywatch.publish.http.server import Server
from donkeywatch.runtime.clocks import monotonic_ms, wall_ms
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.fleet_shipping import SHIPPING_SECONDS, FleetShipping
from donkeywatch.runtime.idle_wait import IdleWait, has_work_left
from donkeywatch.runtime.lexicon_swap import LexiconSwap
from donkeywatch.runtime.memory_tuning import release_freed_memory, retain_freed_memory
from donkeywatch.runtime.offline_key_destruction import destroy_before_serving
from donkeywatch.runtime.pid_file import registered
from donkeywatch.runtime.reference_data import ReferenceData
from donkeywatch.runtime.repeated_messages import ANSWER
from donkeywatch.runtime.service_manager import ServiceManager
from donkeywatch.runtime.wakeup_watcher import WakeupWatcher
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings
from donkeywatch.settings.settings_changes import changed_settings, needs_restart

log = logging.getLogger("donkeywatch")
STARTUP_READ_BUDGET_MS = 20_000
"""Milliseconds for which a start reads old lines before it serves, so that keys can go that are
due and that these lines still need."""
TICK_BUDGET_MS = 250
"""Milliseconds after which a turn of the loop reads no more, however slow the lines are."""
PARALLEL_CATCH_UP_BYTES = 64 << 20
"""Bytes to catch up with at the start for which other processes are worth while."""


class Service:
    """One daemon process: an engine in the main thread, the web server beside it."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self._settings = settings
        self._record = validation_record.load(settings.correction.record)
        self._engine = Engine(settings, wall_ms())
        self._accuracies = self._accuracies_for(self._record)
        # Before readiness is announced: what is rotated away from now on is no history.
        self._engine.scan_sources(monotonic_ms())
        self._busy = self._engine.lag > PARALLEL_CATCH_UP_BYTES
        (retain_freed_memory if self._busy else release_freed_memory)()
        if self._busy:
            self._engine.start_workers()
        self._stopping = self._reloading = False
        self._start_watcher()
        self._manager = ServiceManager()
        self._reload_good = True
        self._swap: LexiconSwap | None = None
        self._noticed: dict[str, date] = {}
        self._server = ListenRetry(
            lambda: Server(
                create_app(lambda: self._settings, lambda: self._status), self._settings.http
            )
        )
        self._listeners = [self._server]
        if (port := settings.release.port) is not None:
            self._listeners.append(ListenRetry(lambda: make_public_server(self._settings, port)))
        self._fleet = FleetShipping(path, settings) if settings.fleet.ships else None
        self._status = replace(self._current_status(), sources=())  # The first scan is not done.
        self._logged_status = self._status  # What the journal knows of.

    def _start_watcher(self) -> None:
        settings = self._engine.settings
        logs, lateness = [source.path for source in settings.source], settings.time.lateness
        self._wakeup = WakeupWatcher(logs, enabled=settings.follow.watch_files)
        self._idle_wait = IdleWait(
            self._wakeup, self._engine.watched_files, lambda: time.time() - lateness
        )
        if self._stopping or self._reloading:  # A signal may have rung the watcher of before.
            self._wakeup.wake()

    def run(self, ready: Callable[[str], None] = lambda _url: None) -> None:
        """Serve until SIGTERM or SIGINT; `ready` is told the URL once it answers."""
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        try:
            self._destroy_due()
            self._server.start(ready)
            for public in self._listeners[1:]:
                public.start(lambda _url: None)
            self._manager.ready(monotonic_ms() / SECOND)
            with registered(self._settings.state):
                while not self._stopping:
                    self._step()
            self._manager.stopping()
            if self._engine.final_commit(wall_ms(), monotonic_ms()):
                log.info("stopped, all that was read is stored")
            else:
                log.warning(
                    "stopped; the last lines could not be stored, the next start reads them again"
                )
        finally:
            self._wakeup.close()
            for listener in self._listeners:
                listener.stop()
            if self._fleet:
                self._fleet.close()
            self._engine.close()

    def _destroy_due(self) -> None:
        """Before anything is served: destroy the keys whose time ended while nothing ran."""
        before = set(self._engine.destroyer.key_weeks)
        end = monotonic_ms() + STARTUP_READ_BUDGET_MS
        with contextlib.suppress(sqlite3.OperationalError, OSError):  # A turn of the loop retries.
            while monotonic_ms() < end:
                if destroy_before_serving(self._engine, wall_ms(), monotonic_ms()):
                    break
        if gone := before - set(self._engine.destroyer.key_weeks):
            log.info("destroyed the keys of %s, which were due", names_of(gone))
        for week in self._engine.lost_weeks:
            log.warning(
                "the key of week %s is lost: it goes on under another one, and an address of before"
                " counts as another; see `breaks`",
                week_name(week),
            )

    def _step(self) -> None:
        for listener in self._listeners:
            listener.check()
        if self._reloading:
            self._reloading = False
            self._manager.reloading(monotonic_ms() / SECOND)
            self._reload()
            self._manager.ready(monotonic_ms() / SECOND)
        self._idle_wait.note()
        end = monotonic_ms() + TICK_BUDGET_MS
        busy = self._engine.tick(wall_ms(), monotonic_ms(), lambda: monotonic_ms() > end)
        if self._swap and self._swap.is_due(self._engine, wall_ms(), monotonic_ms()):
            self._take_new_lexicon(self._swap)
        if self._fleet:
            self._fleet.step(self._engine, wall_ms(), monotonic_ms())
        self._engine.start_backup_if_due(wall_ms(), monotonic_ms())
        before, self._logged_status = self._logged_status, self._current_status()
        self._status = self._logged_status
        self._log_changes(before, self._logged_status)
        self._manager.alive(monotonic_ms() / SECOND, self._state_text())
        self._remind(self._logged_status.notices, utc(wall_ms()).date())
        if busy is not self._busy:
            (retain_freed_memory if busy else release_freed_memory)()
        self._busy = busy
        if not busy:
            self._wakeup.sleep(self._engine.scheduler.coalesce_seconds(monotonic_ms()))
            self._wait()

    def _wait(self) -> None:
        """Wait for a change of a log, or until the loop has another turn anyway."""
        scan_seconds = self._engine.scheduler.sleep_seconds(monotonic_ms())
        self._idle_wait.wait(scan_seconds, self._idle_seconds)

    @property
    def _idle_seconds(self) -> float:
        """Seconds in which only a change of a log can make a turn find something to do."""
        is_waiting = self._swap is not None or not self._logged_status.is_settled
        if is_waiting or has_work_left(self._engine, monotonic_ms()):
            return 0.0
        shipping_seconds = SHIPPING_SECONDS if self._fleet else math.inf
        # A log that is found emptied must not seem unobserved for long: each turn observes it.
        observed_seconds = self._settings.time.max_gap / 2
        return min(self._manager.sign_seconds, shipping_seconds, observed_seconds)

    def _state_text(self) -> str:
        """Tell in a line how the daemon is, for who asks the service manager."""
        problems = self._logged_status.readiness_problems(self._settings.follow.ready_lag)
        if problems:
            return f"not ready: {_without_byte_count(problems[0])}"
        return f"ready: {len(self._logged_status.sources)} source(s) followed and caught up"

    def _current_status(self) -> Status:
        words = self._engine.reference_data.lexicon
        status = self._engine.status()
        problems = [problem for listener in self._listeners for problem in listener.problems]
        status = replace(status, engine_problems=(*status.engine_problems, *problems))
        return replace(
            status,
            lexicon_expires=words.end,
            notices=words.notices(utc(wall_ms())),
            last_reload_ok=self._reload_good,
            ready=not status.readiness_problems(self._settings.follow.ready_lag),
            accuracies=self._accuracies,
            fleet_pending_hours=self._fleet.pending if self._fleet else None,
        )

    def _accuracies_for(self, record: ValidationRecord | None) -> Mapping[str, Accuracy]:
        """Give a validation record's accuracies for the loaded lexicon; the log tells why none."""
        if record is None:
            return {}
        lexicon = self._engine.status().lexicon
        reason = validation_record.mismatch(record, lexicon)
        if reason is not None:
            log.warning("no corrected fraction: the record does not fit, %s", reason)
        else:
            log.info("fractions are corrected by the record of %s", record.evaluated_on)
        return validation_record.accuracies(record, lexicon)

    def _log_changes(self, before: Status, after: Status) -> None:
        """Log a problem once when it comes and once when it goes; counts and paths only."""
        lag = self._settings.follow.ready_lag
        old, new = before.readiness_problems(lag), after.readiness_problems(lag)
        known = {_without_byte_count(reason) for reason in old}
        for reason in new:
            if _without_byte_count(reason) not in known:
                log.warning("not ready: %s", reason)
        complaints = {source.name: source.error for source in before.sources if source.following}
        for source in after.sources:
            if not source.following or source.error == complaints.get(source.name):
                continue
            if source.error:
                log.warning("source %s: %s", source.name, source.error)
            else:
                log.info("source %s: nothing is wrong with it any more", source.name)
        if after.log_blocked and not before.log_blocked:
            log.warning(
                "rows whose key is destroyed are still in the write-ahead log: another program has"
                " the database open and reads; end it, and the log is emptied at once"
            )
        if before.log_blocked and not after.log_blocked:
            log.info("the write-ahead log is emptied, nothing of what was destroyed is left")
        if old and not new:
            log.info("ready: %d source(s) followed and caught up", len(after.sources))

    def _remind(self, notices: Sequence[str], today: date) -> None:
        """Log each notice once a day."""
        for notice in notices:
            if self._noticed.get(notice) != today:
                log.warning("%s", notice)
        self._noticed = dict.fromkeys(notices, today)

    def _on_stop(self, _signal: int, _frame: object) -> None:
        self._stopping = True
        self._wakeup.wake()

    def _on_reload(self, _signal: int, _frame: object) -> None:
        self._reloading = True
        self._wakeup.wake()

    def _reload(self) -> None:
        """Take new settings, or keep the old ones if anything about the new is wrong.

        A new word list waits for the next hour.
        """
        try:
            new_settings = loader.load(self._path)
            if new_settings.state != self._settings.state:
                raise ConfigError("`state` cannot change while running", "restart instead")
            loaded = ReferenceData.load(new_settings)
            record = validation_record.load(new_settings.correction.record)
            self._server.renew(new_settings.http)
        except Exception as error:  # Whatever is wrong with them ends no daemon that works.
            self._reject_reload(error)
            return
        running = self._engine.reference_data
        reference_data, swap = LexiconSwap.for_new_list(loaded, running, wall_ms())
        if self._replace_engine(new_settings, reference_data):
            self._log_reloaded(new_settings, swap)
            self._settings, self._reload_good, self._swap = new_settings, True, swap
            self._record, self._accuracies = record, self._accuracies_for(record)

    def _take_new_lexicon(self, swap: LexiconSwap) -> None:
        """Go on with the word list that has waited for an hour's beginning."""
        self._swap = None
        if self._replace_engine(self._settings, swap.reference_data):
            self._accuracies = self._accuracies_for(self._record)
            log.info("the new word list is taken: a new stretch of the series begins", extra=ANSWER)

    def _replace_engine(self, settings: Settings, reference_data: ReferenceData) -> bool:
        """Go on with an engine of these settings; false where it is one of the old ones again."""
        old = self._engine.reference_data
        # The new engine notes what changed before its status is shown: no answer may be an old one.
        self._status = replace(self._status, change_counter=None)
        self._engine.close()
        try:
            self._engine = Engine(settings, wall_ms(), reference_data)
        except Exception as error:
            self._reject_reload(error)
            self._engine = self._reopen_with_old_settings(old)
            return False
        finally:
            # The new engine logs its complaints again: it has not looked as long as the old one.
            self._logged_status = replace(self._logged_status, sources=())
            self._wakeup.close()
            self._start_watcher()
        return True

    def _log_reloaded(self, new: Settings, swap: LexiconSwap | None) -> None:
        """Log which settings are taken, and which wait for what; no value is logged."""
        names = changed_settings(self._settings, new)
        waiting = [name for name in names if needs_restart(name) and not self._server.problems]
        taken = [name for name in names if name not in waiting]
        if taken or not (waiting or swap):
            changes = ", ".join(taken) or "nothing has changed"
            log.info("settings reloaded: %s", changes, extra=ANSWER)
        if swap:
            log.info(
                "settings reloaded: the new word list is taken when the next hour begins, at %s"
                " (by a restart at once)",
                iso_utc(swap.hour),
                extra=ANSWER,
            )
        if waiting:
            log.warning("not taken before the next start: %s", ", ".join(waiting), extra=ANSWER)

    def _reopen_with_old_settings(self, old: ReferenceData) -> Engine:
        """The engine with the old settings, as soon as the database can be opened."""
        while True:
            try:
                return Engine(self._settings, wall_ms(), old)
            except DatabaseUnavailableError:
                if self._stopping:
                    raise
                self._wakeup.wait(1.0)

    def _reject_reload(self, error: Exception) -> None:
        self._reload_good = False
        reason = error if isinstance(error, DonkeywatchError) else type(error).__name__
        log.error("settings not reloaded, the old ones stay: %s", reason, extra=ANSWER)


def names_of(weeks: Iterable[int]) -> str:
    """ISO names of weeks, in order."""
    return ", ".join(week_name(week) for week in sorted(weeks))


def _without_byte_count(reason: str) -> str:
    """A reason that differs in the bytes to be read alone is the same."""
    return re.sub(r"[0-9]+ bytes behind$", "bytes behind", reason)
