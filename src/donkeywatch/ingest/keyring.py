"""The weekly keys: made before their first use, destroyed on schedule, never replaced silently."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

from donkeywatch.counting.calendar import week_name
from donkeywatch.errors import ConfigError
from donkeywatch.settings.private_files import (
    hold_directory,
    read_private_file,
    sync,
    write_private_file,
)

KEY_BYTES = 32
"""Bytes of a key: AES-256."""
INSTALL_KEY_NAME = "install.key"
"""The one lasting key: fingerprints of files and the lexicon's digest."""
SUPPLIED, CHECK_SUFFIX = "fleet", ".check"
"""Directory in that of the keys: keys of weeks that a fleet has in common and that come yet."""


class Keyring:
    """Key files in a 0700 directory apart from the database.

    ``weekly_keys`` are the database's records (week -> check value, destroyed); ``register`` stores
    a new one before the key is used, and ``replace_lost`` those in the place of lost ones.
    """

    def __init__(
        self,
        directory: Path,
        weekly_keys: Mapping[int, tuple[bytes, bool]],
        register: Callable[[int, bytes], None],
        replace_lost: Callable[[Mapping[int, bytes]], None],
    ) -> None:
        self.directory = directory
        self._register = register
        self._destroyed = {week for week, (_, is_destroyed) in weekly_keys.items() if is_destroyed}
        ensure_directory(directory)
        self._weeks: dict[int, bytes] = {}
        _destroy_parts(directory)
        for path in set(directory.glob("*-W*.key")) - {self._path(week) for week in weekly_keys}:
            _destroy(path)  # A crash came before its week was known, or after that was forgotten.
        for week in weekly_keys:  # A crash came after it was taken.
            if supplied_path(directory, week).exists():
                _destroy(supplied_path(directory, week))
        self.lost: list[int] = []
        """Weeks (ms UTC) whose keys were gone when this was opened, and that go on under others."""
        for week, (expected, is_destroyed) in weekly_keys.items():
            if is_destroyed:
                self._finish_interrupted_destruction(week)
            elif os.path.lexists(self._path(week)):
                self._weeks[week] = read(directory, week, expected)
            else:
                self.lost.append(week)
        others = {week: secrets.token_bytes(KEY_BYTES) for week in self.lost}
        if others:
            # Recorded first: a key that is not the recorded one would be refused.
            replace_lost({week: key_check_value(key) for week, key in others.items()})
        for week, key in others.items():
            write_private_file(self._path(week), key)
            self._weeks[week] = key

    def key(self, week: int) -> bytes | None:
        """The key of the ISO week that starts at ``week`` ms; None once it is destroyed."""
        if week in self._destroyed:
            return None
        if week not in self._weeks:
            shared = supplied_key(self.directory, week)
            key = shared or secrets.token_bytes(KEY_BYTES)
            write_private_file(self._path(week), key)
            self._register(week, key_check_value(key))
            self._weeks[week] = key
            if shared:
                _destroy(supplied_path(self.directory, week))
        return self._weeks[week]

    def has_key(self, week: int) -> bool:
        """Tell whether a week has a key, which is made if it never had one; no once destroyed."""
        return self.key(week) is not None

    def active_weeks(self) -> list[int]:
        """Weeks whose keys exist, oldest first."""
        return sorted(self._weeks)

    def destroyed_weeks(self) -> set[int]:
        """Weeks whose keys are destroyed."""
        return set(self._destroyed)

    def destroy_before(self, before: int) -> None:
        """Destroy the keys of the weeks that start before a time."""
        for week in [week for week in self._weeks if week < before]:
            del self._weeks[week]
            self._destroyed.add(week)
            self._remove(week)
        _destroy_supplied_before(self.directory, before)

    def discard(self, start: int) -> None:
        """Destroy the keys of the weeks from ``start`` (ms UTC) on, which may come yet."""
        for week in [week for week in self._weeks if week >= start]:
            del self._weeks[week]
            self._remove(week)

    def _path(self, week: int) -> Path:
        return _path(self.directory, week)

    def _finish_interrupted_destruction(self, week: int) -> None:
        """Destroy a key that a crash has left; ConfigError where that cannot be done."""
        try:
            self._remove(week)
        except OSError as error:
            raise _indestructible(self._path(week), error) from None

    def _remove(self, week: int) -> None:
        path = self._path(week)
        if path.exists():
            _destroy(path)


def read(directory: Path, week: int, expected: bytes) -> bytes:
    """The key of a week; ConfigError when it is gone or not the one with this proof."""
    path = _path(directory, week)
    key = _key(path)
    if key is None or key_check_value(key) != expected:
        raise ConfigError(
            f"key of week {week_name(week)}: "
            + ("missing" if key is None else "not the one this database was made with"),
            f"restore {path}; or have none of that name there and start donkeywatch, which goes"
            " on under another key, and a break says so",
        )
    return key


def is_missing(directory: Path, week: int) -> bool:
    """Tell whether there is no key of a week (ms UTC), neither a right nor a wrong one."""
    return not os.path.lexists(_path(directory, week))


def missing_files(directory: Path, weeks: Iterable[int]) -> list[str]:
    """Name the files of the lasting key and of those of the weeks (ms UTC) that are not there."""
    paths = [directory / INSTALL_KEY_NAME, *(_path(directory, week) for week in weeks)]
    return [path.name for path in paths if not os.path.lexists(path)]


def supplied_path(directory: Path, week: int) -> Path:
    """Give the file with the key that a fleet has in common in a week, until that is used."""
    return _path(directory / SUPPLIED, week)


def supplied_key(directory: Path, week: int) -> bytes | None:
    """Read the key that a fleet has in common in a week (ms UTC); None where there is none."""
    return _key(supplied_path(directory, week))


def supply_key(directory: Path, week: int, key: bytes) -> None:
    """Store the key that a fleet has in common in a week (ms UTC), to be used when that begins."""
    ensure_directory(directory / SUPPLIED)
    write_private_file(supplied_path(directory, week), key)
    check = directory / SUPPLIED / f"{week_name(week)}{CHECK_SUFFIX}"
    write_private_file(check, key_check_value(key).hex().encode("ascii"))


def _destroy_supplied_before(directory: Path, before: int) -> None:
    """Destroy the keys of earlier weeks that a fleet has in common and that were never used."""
    for path in (directory / SUPPLIED).glob("*-W*.key"):
        if path.name < f"{week_name(before)}.key":
            _destroy(path)


def shared_key_checks(directory: Path) -> dict[str, str]:
    """Give what tells the keys that a fleet has in common, in hex by the name of their week."""
    paths = (directory / SUPPLIED).glob(f"*-W*{CHECK_SUFFIX}")
    # A crash of an earlier version may have left one empty.
    return {path.stem: check for path in paths if (check := path.read_text("ascii"))}


def destroy_all(directory: Path) -> None:
    """Destroy every key, the lasting one too: nothing made with them can be asked about."""
    _destroy_parts(directory)
    keys = (*directory.glob("*-W*.key"), *(directory / SUPPLIED).glob("*-W*.key"))
    for path in (*keys, directory / INSTALL_KEY_NAME):
        if path.exists():
            _destroy(path)


def ensure_directory(directory: Path) -> None:
    """Make the key directory; ConfigError when others can look into it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = directory.stat().st_mode
        next(directory.iterdir(), None)  # A key that cannot be looked for is not lost.
    except OSError as error:
        raise ConfigError(
            f"key directory {directory}: cannot be used ({error.strerror})",
            "create it for the user donkeywatch runs as, or give it and the keys to that user",
        ) from None
    if mode & 0o077:
        raise ConfigError(
            f"key directory {directory}: open to others (mode {mode & 0o777:03o})",
            f"run: chmod 700 {directory}",
        )


def install_key(directory: Path, *, fresh: bool) -> bytes:
    """The lasting key, made when the state is ``fresh``; refused when it is gone later."""
    path = directory / INSTALL_KEY_NAME
    key = _key(path)
    if key is None and not fresh:
        raise ConfigError(
            f"{path}: missing, but the database was made with it",
            "restore the file, or start donkeywatch, which goes on under another one",
        )
    if key is None:
        key = secrets.token_bytes(KEY_BYTES)
        store_install_key(directory, key)
    return key


def new_install_key(directory: Path) -> bytes | None:
    """A key in the place of the lasting one if that is lost, not stored yet; None if it is not."""
    return (
        None if _key(directory / INSTALL_KEY_NAME) is not None else secrets.token_bytes(KEY_BYTES)
    )


def store_install_key(directory: Path, key: bytes) -> None:
    """Store the lasting key."""
    write_private_file(directory / INSTALL_KEY_NAME, key)


def has_week_keys(directory: Path) -> bool:
    """Tell whether the directory holds the key of any week."""
    return any(directory.glob("*-W*.key"))


def key_check_value(key: bytes) -> bytes:
    """A value that tells whether a key is the right one and nothing else about it."""
    return blake2b(b"donkeywatch key proof", key=key, digest_size=16).digest()


def _path(directory: Path, week: int) -> Path:
    return directory / f"{week_name(week)}.key"


def _destroy(path: Path) -> None:
    """Destroy a key; one that a crash has left half overwritten has no name and is lost."""
    part = path.with_name(f".{path.name}.part")
    path.rename(part)
    sync(path.parent)
    _overwrite_and_remove(part)


def _indestructible(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"key {path}: has to be destroyed, and cannot be ({error.strerror})",
        f"give {path.parent} and all in it to the user donkeywatch runs as",
    )


def _destroy_parts(directory: Path) -> None:
    """Destroy what crashes have left of keys that were being written or destroyed.

    ConfigError where that cannot be done.
    """
    for place in (directory, directory / SUPPLIED):
        if not any(place.glob("*.part")):
            continue
        with hold_directory(place):  # What another process is just writing is none of them.
            for path in place.glob("*.part"):
                try:
                    _overwrite_and_remove(path)
                except OSError as error:
                    raise _indestructible(path, error) from None


def _overwrite_and_remove(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    sync(path.parent)


def _key(path: Path) -> bytes | None:
    """The key in a file; None when there is no such file."""
    if not os.path.lexists(path):
        return None
    key = read_private_file(
        path, str(path), "; if others may have read it, start a new state directory"
    )
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{path}: not a key of {KEY_BYTES} bytes", "restore the right file")
    return key
