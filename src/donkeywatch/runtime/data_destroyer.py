"""Destroying what must not outlive its week: keys, what was made with them, old windows."""

from __future__ import annotations

from collections.abc import Callable

from donkeywatch.counting.calendar import DAY, HOUR, WEEK, floor_to, week_of
from donkeywatch.counting.key_lifetime import first_living_week, is_outlived
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.settings.schema import Retention
from donkeywatch.store.backups import Backups
from donkeywatch.store.store import Store


class DataDestroyer:
    """Destroys keys, rows and backups whose time is over; safe to repeat after any crash."""

    def __init__(
        self,
        store: Store,
        backups: Backups,
        keys: Keyring,
        retention: Retention,
        before_destroying: Callable[[int], None] = lambda _week: None,
    ) -> None:
        self._store, self._backups, self._keys = store, backups, keys
        self._retention = retention
        self.before_destroying = before_destroying
        """Called with the week (ms UTC) before which all is about to be destroyed."""
        self._sealed_rows_remain = True
        """There may be rows that were made with a key that is destroyed."""

    @property
    def key_weeks(self) -> list[int]:
        """Weeks (ms UTC) whose keys exist."""
        return self._keys.active_weeks()

    def overdue(self, watermark: int) -> list[int]:
        """Weeks (ms UTC) whose keys nothing needs any more, and are there yet."""
        return [week for week in self._keys.active_weeks() if is_outlived(week, watermark)]

    def destroy(self, sure: int, now: int, *, confirmed: bool) -> None:
        """Destroy the keys that nothing needs at ``sure``, and windows that are kept no longer.

        With a key all backups go.

        ``sure`` is the time of a confirmed clock; if ``now`` is ``confirmed``, too, what was
        counted more than a day ahead of it is taken back. Both are ms UTC. The rows that were made
        with a key go by `delete_sealed_rows`.
        """
        if confirmed:
            self._reject(now)
        self._destroy_expired_keys(sure)
        self._prune(sure)

    def delete_sealed_rows(self) -> None:
        """Destroy what is left that was made with keys that are destroyed."""
        if self._sealed_rows_remain:
            self._store.delete_sealed()
            self._sealed_rows_remain = False

    def delete_some_sealed_rows(self) -> None:
        """Destroy a part of what is left of them, as long as a commit may take."""
        self._sealed_rows_remain = self._sealed_rows_remain and self._store.delete_some_sealed()

    def truncate_log(self) -> None:
        """Empty the write-ahead log if destroyed rows may stand in it, and no copy reads it."""
        if self._store.log_left and not self._backups.busy:
            self._store.truncate_log()

    def _reject(self, now: int) -> None:
        """Take back what was counted more than a day after ``now`` (ms UTC), which is confirmed.

        It was logged and read by a clock that was ahead. The keys of the weeks that begin after
        it are destroyed; when their time comes, they get others.
        """
        hour, week = floor_to(now + DAY, HOUR) + HOUR, week_of(now + DAY) + WEEK
        if week_of(now) in self._keys.destroyed_weeks():
            week += WEEK  # An operator destroyed this one's: fingerprints are under the next one's.
        if self._store.newest_hour() >= hour or max(self._keys.active_weeks(), default=0) >= week:
            self._store.take_back(hour, week)
            self._keys.discard(week)

    def _destroy_expired_keys(self, watermark: int) -> None:
        """When a week has ended, all that was made with the keys before it goes.

        No rolling window reaches back behind it any more, and its own rows no longer need
        the pseudonyms under the older key.
        """
        if self.overdue(watermark):
            ended = first_living_week(watermark)
            self.before_destroying(ended)
            self._backups.destroy()
            self._store.record_key_destruction(ended)
            self._keys.destroy_before(ended)
            self._sealed_rows_remain = True

    def _prune(self, now: int) -> None:
        for kind, weeks in (
            ("hour", self._retention.hourly_weeks),
            ("week", self._retention.weekly_weeks),
        ):
            if weeks is not None:
                self._store.prune(kind, week_of(now - weeks * WEEK))
