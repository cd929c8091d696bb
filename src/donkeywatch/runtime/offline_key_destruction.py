"""The destruction of keys at a start, and by an operator while no daemon runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from donkeywatch.counting.calendar import SECOND, WEEK, week_name, week_of
from donkeywatch.counting.key_lifetime import end_of_life
from donkeywatch.errors import StateError
from donkeywatch.ingest.keyring import Keyring
from donkeywatch.runtime import installation_state
from donkeywatch.runtime.believed_time import ClockJumpDetector, StoredClock
from donkeywatch.runtime.data_destroyer import DataDestroyer
from donkeywatch.runtime.engine import Engine
from donkeywatch.runtime.ordered_work_queue import BlockQueue
from donkeywatch.runtime.window_closer import WindowCloser
from donkeywatch.settings import state_files
from donkeywatch.settings.schema import Retention, Settings
from donkeywatch.store import database_opening, positions
from donkeywatch.store.backups import Backups
from donkeywatch.store.segment_aggregation import Aggregator
from donkeywatch.store.store import Store


def destroy_before_serving(engine: Engine, now: int, steady: int) -> bool:
    """Destroy what is due by a clock that is confirmed; false when there is more to do.

    Lines that were logged before are counted first, as far as they can be read.
    """
    engine.look_at_clock(now, steady)
    time = engine.clock_gate.time
    if time is None:
        return True
    overdue = engine.destroyer.overdue(time)
    if overdue and any(stream.has_unread(overdue[-1] + WEEK) for stream in engine.streams):
        engine.tick(now, steady)
        return False
    sure = engine.clock_gate.confirmed_time(time - round(engine.settings.time.lateness * SECOND))
    if sure is not None:
        engine.window_closer.close_until_destroyed(
            sure, time, confirmed=engine.clock_gate.clocks.proven
        )
    return True


def destroy_due(settings: Settings, now: int, steady: int) -> list[str]:
    """Destroy what is due by the wall clock, ``now`` ms UTC; names of the weeks.

    Windows are closed before. StateLockedError while a daemon runs, which does it itself;
    StateError where the clock is not believed, or where another program reads what is to be
    destroyed.
    """
    with _opened(settings) as store:
        _require_clock(store, now, steady)
        watermark = now - round(settings.time.lateness * SECOND)
        keys = installation_state.open_keys(settings, store, now)
        retention = settings.retention
        return _destroy(store, settings, keys, retention, watermark, now, confirmed=True)


def destroy_all(settings: Settings, now: int) -> list[str]:
    """Destroy every key and all that was made with one; names of the weeks.

    The windows of now are closed with what was counted so far, and stay. Lines that come for
    these weeks are too late, since nobody could tell any more which of them were counted. Errors
    are those of `destroy_due`, but for the clock, which is not asked.
    """
    with _opened(settings) as store:
        forever = Retention(hourly_weeks=None, weekly_weeks=None)
        end = end_of_life(max(week_of(now), week_of(store.newest_hour())))
        keys = installation_state.open_keys(settings, store, now)
        weeks = _destroy(store, settings, keys, forever, end, end, confirmed=False)
        with store.transaction() as db:
            positions.forget_unknown(db)
        return weeks


def rotate_keys(settings: Settings, now: int) -> list[str]:
    """Destroy the keys of weeks that are being counted; names of the weeks. ``now`` is ms UTC.

    The next start goes on under others, as after a loss: it marks a break, and an address of
    before counts as another one. StateLockedError while a daemon runs.
    """
    with _opened(settings) as store:
        keys = installation_state.open_keys(settings, store, now)
        weeks = keys.active_weeks()
        keys.discard(min(weeks, default=0))
        return [week_name(week) for week in weeks]


@contextmanager
def _opened(settings: Settings) -> Iterator[Store]:
    """The database, locked, for as long as no daemon has it."""
    path = settings.state / state_files.DATABASE
    if not path.exists():
        raise StateError(f"there is no database {path}", "start `donkeywatch run` first")
    with (
        database_opening.lock(settings.state),
        closing(Store(settings.state, _topics(settings))) as store,
    ):
        yield store


def _destroy(
    store: Store,
    settings: Settings,
    keys: Keyring,
    retention: Retention,
    watermark: int,
    now: int,
    *,
    confirmed: bool,
) -> list[str]:
    """Close what ends by ``watermark`` and destroy what is over by then; both ms UTC."""
    backups = Backups(store.path, 0, settings.backup.keep)
    destroyer = DataDestroyer(store, backups, keys, retention)
    closer = WindowCloser(store, destroyer, Aggregator(store, BlockQueue(()).submit_aggregation))
    weeks = closer.close_until_destroyed(watermark, now, confirmed=confirmed)
    destroyer.delete_sealed_rows()
    if not store.truncate_log():
        raise StateError(
            "the keys are destroyed, but another program reads what was made with them",
            "end it and repeat the command",
        )
    return [week_name(week) for week in weeks]


def _require_clock(store: Store, now: int, steady: int) -> None:
    clocks = ClockJumpDetector(installation_state.stored_clock(store))
    clocks.observe(now, steady)
    if clocks.problem:
        raise StateError(clocks.problem, "set the clock right and repeat the command")
    if stored := clocks.stored():
        # A stop from now on is no longer one: whoever asks for this vouches for the clock.
        store.set(installation_state.CLOCK, str(StoredClock(now, stored.even)))


def _topics(settings: Settings) -> list[str]:
    """The topics of the newest rows: a word list that has expired must not keep keys alive."""
    db = database_opening.connect(settings.state / state_files.DATABASE, read_only=True)
    with closing(db):
        newest = db.execute("select topics from segments order by id desc limit 1").fetchone()
    return [] if newest is None else str(newest[0]).split(",")
