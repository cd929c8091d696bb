"""Paths of the settings that cannot go together: one file as two sources, keys of another state."""

from __future__ import annotations

import os
from pathlib import Path

from donkeywatch.errors import ConfigError
from donkeywatch.settings.schema import Settings, Source
from donkeywatch.settings.state_files import (
    BACKUPS,
    DAEMON_PID,
    DAMAGED_MARKER,
    DATABASE,
    LOCK,
    QUARANTINE,
)

OURS = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCK, DAEMON_PID, DAMAGED_MARKER)
"""Files in the state directory."""


def refuse_conflicts(settings: Settings) -> None:
    """ConfigError where two settings name places that cannot be used together."""
    _refuse_what_has_no_end(settings)
    _refuse_one_file_twice(settings)
    _refuse_our_own_files(settings)
    _refuse_keys_elsewhere(settings)
    _refuse_another_state(settings)


def _refuse_what_has_no_end(settings: Settings) -> None:
    """A device or a pipe may give bytes for ever, or none and no end."""
    for name, path in (
        ("countries", settings.countries),
        ("detection.shadow_lexicon", settings.detection.shadow_lexicon),
        ("correction.record", settings.correction.record),
        ("http.tls_certificate", settings.http.tls_certificate),
        ("http.tls_key", settings.http.tls_key),
    ):
        if path is not None and os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 - they raise nothing
            raise ConfigError(f"{name} {path}: not a regular file", "name a regular file")


def _refuse_one_file_twice(settings: Settings) -> None:
    known: dict[object, Source] = {}
    for source in settings.source:
        for identity in _identities(source.path):
            other = known.setdefault(identity, source)
            if other is not source:
                raise ConfigError(
                    f"sources {other.name} and {source.name} are the same file: {other.path} and"
                    f" {source.path}",
                    "remove one of them; each line counts once",
                )


def _refuse_our_own_files(settings: Settings) -> None:
    ours = [settings.state / name for name in OURS]
    ours += [settings.lexicon] if settings.lexicon is not None else []
    for source in settings.source:
        for path in ours:
            if _identities(source.path) & _identities(path):
                raise ConfigError(
                    f"source {source.name}: {source.path} is a file of donkeywatch's own",
                    "set `path` to the server's log",
                )


def _refuse_keys_elsewhere(settings: Settings) -> None:
    keys, state = _resolved(settings.key_directory), _resolved(settings.state)
    forbidden = (state / BACKUPS, state / QUARANTINE)
    if keys == state or any(keys.is_relative_to(path) for path in forbidden):
        raise ConfigError(
            f"`keys` {settings.key_directory} is the state directory or among its backups",
            "set `keys` to a directory of its own, or leave it out",
        )


def _refuse_another_state(settings: Settings) -> None:
    state = _resolved(settings.state)
    for name, path in (("state", state), ("keys", _resolved(settings.key_directory))):
        for parent in (path, *path.parents):
            if parent != state and os.path.lexists(parent / DATABASE):
                raise ConfigError(
                    f"`{name}` {path} lies in the state directory of another donkeywatch, {parent}",
                    "set it to a directory of its own",
                )


def _identities(path: Path) -> set[object]:
    """Give what two paths of one file have in common: the name, and the file where it exists."""
    try:
        state = path.stat()
    except OSError:
        return {_resolved(path)}
    return {_resolved(path), (state.st_dev, state.st_ino)}


def _resolved(path: Path) -> Path:
    """The path without links and dots; not Path.resolve, which fails on a link to itself."""
    return Path(os.path.realpath(path))
