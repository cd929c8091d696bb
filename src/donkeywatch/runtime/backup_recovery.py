"""Goes on from a backup when the database is damaged, or empty; what is uncounted then."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from donkeywatch.counting.calendar import utc
from donkeywatch.errors import ConfigError, SourceError, StateError, printable
from donkeywatch.ingest import keyring
from donkeywatch.ingest.fingerprint_keys import StoredKeys
from donkeywatch.runtime.followed_source import log_of
from donkeywatch.settings import state_files
from donkeywatch.settings.schema import Settings
from donkeywatch.sources.file_problems import MISSING
from donkeywatch.sources.follower import Follower
from donkeywatch.sources.generation_state import OPEN
from donkeywatch.sources.positions import FinishedFile, GenerationPosition
from donkeywatch.store import backups, counter_floors, database_opening, positions, released
from donkeywatch.store.file_erasure import erase_directory, erase_file


@dataclass(frozen=True, slots=True)
class UncountedRange:
    """Bytes of one file of a source that are not counted: ``end`` None means to its end.

    ``path`` is None where no file holds them any more.
    """

    source: str
    path: Path | None
    start: int
    end: int | None

    def describe(self) -> str:
        """Say what becomes of it, in a sentence of an operator's words."""
        if self.path is None:
            return f"what followed byte {self.start:,} of a file that is gone is lost"
        end = "its end" if self.end is None else f"{self.end:,}"
        return f"{printable(self.path.name)}, from byte {self.start:,} to {end}, will be read again"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was done: the backup (made at ms UTC), and where the damaged database is now."""

    backup: Path
    created_at: int
    quarantine: Path
    missing_keys: tuple[str, ...]
    """Files of the backup's keys that are not there: the next start goes on under others."""
    spans: tuple[UncountedRange, ...]
    """Empty where keys are missing, without which no file of before is recognised here."""


def recover(settings: Settings, now: int, *, force: bool = False) -> Recovery:
    """Put the newest good backup in the damaged database's place.

    Nothing is counted here: the daemon reads on from where the backup was, and the spans tell
    what that is. StateError when nothing is damaged (unless ``force``) or no backup is good;
    StateLockedError when a daemon runs.
    """
    current = _database_path(settings)
    with database_opening.lock(settings.state):
        marker = settings.state / state_files.DAMAGED_MARKER
        if not force and not marker.exists() and backups.find_damage(current) is None:
            raise StateError(
                f"the database {current} is not damaged",
                "start donkeywatch; to go back to a backup nevertheless, add --force",
            )
        backup = _newest_good(settings)
        marker.touch(mode=0o600)  # A crash on the way leaves a state that refuses to count.
        quarantine = settings.state / state_files.QUARANTINE / _timestamp_dirname(now)
        before = counter_floors.last_known(current)
        last_written = _last_change(current)
        counter_floors.save(before, settings.state)  # For a repetition after a crash.
        backups.restore(backup, current, quarantine)
        counter_floors.hold(current, before)
        released.refuse_before(current, max(now, last_written))
        marker.unlink()
        missing = keyring.missing_files(settings.key_directory, _key_checks(current))
        spans = () if missing else tuple(_spans(settings))
        return Recovery(backup, backups.created_at(backup), quarantine, tuple(missing), spans)


def reset(settings: Settings) -> list[Path]:
    """Remove the database, its backups, what is in quarantine, and every key; the paths.

    The next start begins as the first one did. StateLockedError when a daemon runs.
    """
    current = _database_path(settings)
    with database_opening.lock(settings.state):
        places = [
            *(
                current.with_name(current.name + suffix)
                for suffix in ("", *state_files.DATABASE_SIDE_FILES)
            ),
            current.with_suffix(".part"),  # What a recovery that was interrupted leaves.
            settings.state / state_files.BACKUPS,
            settings.state / state_files.QUARANTINE,
            settings.state / state_files.DAMAGED_MARKER,
            settings.state / counter_floors.COPY,
        ]
        gone = [path for path in places if path.exists()]
        keyring.destroy_all(settings.key_directory)
        for path in gone:
            erase_directory(path) if path.is_dir() else erase_file(path)
        return [*gone, settings.key_directory]


def _last_change(database_path: Path) -> int:
    """When a database, or what is beside it, was last written to, ms UTC; 0 where there is none."""
    names = (database_path.name + suffix for suffix in ("", "-wal"))
    paths = [database_path.with_name(name) for name in names]
    return max((path.stat().st_mtime_ns // 10**6 for path in paths if path.exists()), default=0)


def _database_path(settings: Settings) -> Path:
    if not settings.state.is_dir():
        raise StateError(
            f"there is no state directory {settings.state}", "check `state` in the settings"
        )
    return settings.state / state_files.DATABASE


def _timestamp_dirname(now: int) -> str:
    return utc(now).strftime("%Y%m%dT%H%M%SZ")


def _newest_good(settings: Settings) -> Path:
    rejected = []
    for path in backups.list_backups(settings.state / state_files.BACKUPS):
        reason = backups.find_damage(path) or _wrong_key(settings, path)
        if reason is None:
            return path
        rejected.append(f"{path.name}: {reason}")
    reasons = "; ".join(rejected) or "there is none"
    raise StateError(
        f"no backup in {settings.state / state_files.BACKUPS} can be used ({reasons})",
        f"put a good copy there under one of these names (donkeywatch-YYYYMMDDThhmmssZ.db), move"
        f" wrong keys out of {settings.key_directory}, or begin anew with `donkeywatch reset`",
    )


def _wrong_key(settings: Settings, backup: Path) -> str | None:
    """Say which key is another one than the backup's; None where each is right or missing."""
    try:
        for week, check in _key_checks(backup).items():
            if not keyring.is_missing(settings.key_directory, week):
                keyring.read(settings.key_directory, week, check)
    except ConfigError as error:
        return error.problem
    return None


def _key_checks(database: Path) -> dict[int, bytes]:
    """Read what tells the living keys of a database, by week (ms UTC)."""
    db = database_opening.connect(database, read_only=True)
    with contextlib.closing(db):
        return dict(db.execute("select week, key_check from weekly_keys where destroyed = 0"))


def followers(settings: Settings, db: sqlite3.Connection) -> Iterator[Follower]:
    """A follower per source that stands where a database says; to be scanned, not read."""
    lasting = keyring.install_key(settings.key_directory, fresh=False)
    epochs = db.execute("select week, key_check from weekly_keys where destroyed = 0").fetchall()
    keys = {week: keyring.read(settings.key_directory, week, proof) for week, proof in epochs}
    for source in settings.source:
        numbers = itertools.count(1 << 40)
        yield Follower(
            log_of(source, settings.source),
            StoredKeys(keys, lasting),
            [GenerationPosition.of_row(row) for row in positions.load(db, source.name)],
            numbers.__next__,
            first_start=False,
            finished=[FinishedFile.of_row(row) for row in positions.finished(db, source.name)],
        )


def _spans(settings: Settings) -> Iterator[UncountedRange]:
    """Give what lies between the restored positions and the ends of the files there are."""
    db = database_opening.connect(settings.state / state_files.DATABASE, read_only=True)
    try:
        for follower in followers(settings, db):
            yield from uncounted_ranges(follower)
    finally:
        db.close()


def uncounted_ranges(follower: Follower) -> Iterator[UncountedRange]:
    """Give what a follower that has just been opened has still to read, file by file."""
    log = follower.log
    try:
        follower.scan(0)
        if follower.error and follower.error != f"{printable(log.path)}: {MISSING}":
            raise SourceError(follower.error, "make the log readable, and repeat the command")
        names = {(s.st_dev, s.st_ino): path for path, s in log.rotated_files()}
        for generation in follower.registry.all_generations:
            at, file = generation.fingerprint.offset, generation.file
            if file is None:
                if generation.state is OPEN:
                    yield UncountedRange(log.name, None, at, None)
            elif file.read(at, 1):
                yield UncountedRange(log.name, names.get(file.identity, log.path), at, file.size())
    finally:
        follower.close()
