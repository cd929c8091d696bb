"""Deciding weeks that are over for long enough: what is released of them, once and for ever."""

from __future__ import annotations

from donkeywatch.counting.calendar import HOUR, floor_to
from donkeywatch.publish.release import release_week
from donkeywatch.settings.schema import Release
from donkeywatch.store import released
from donkeywatch.store.store import BACKFILLED, Store


class Releaser:
    """Releases one week at a time; exactly once, since a week and its mark are one transaction."""

    def __init__(self, store: Store, settings: Release) -> None:
        self._store = store
        self._delay = settings.delay_hours * HOUR
        self._looked_at: tuple[int, str | None] | None = None
        """The hour (ms UTC) and the last backfill for which no week is due any more."""
        released.reconcile(store)

    def release_due(self, confirmed: int | None, now: int) -> bool:
        """Release the oldest week that is due; true if more may be. All times are ms UTC.

        By ``confirmed`` event time alone, nothing where that is None: a release cannot be undone.
        Archives may come one after another: the delay begins again with the last that was counted.
        """
        if confirmed is None:
            return False
        backfilled = self._store.setting(BACKFILLED)
        look = floor_to(confirmed, HOUR), backfilled
        if look == self._looked_at:
            return False
        waits = backfilled is not None and confirmed < int(backfilled) + self._delay
        db = self._store.connection
        due = [] if waits else released.weeks_due(db, confirmed - self._delay)
        if not due:
            self._looked_at = look
            return False
        rows = release_week(released.week_counts(db, due[0]), self._store.topics)
        released.insert(self._store, rows, now)
        return True
