"""What the issuer does: makes the key of a week, seals it to each server, and keeps none of it."""

from __future__ import annotations

import base64
import contextlib
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from donkeywatch.counting.calendar import SECOND, WEEK, week_name, week_of, week_start
from donkeywatch.fleet import tables
from donkeywatch.fleet.sealed_keys import Identity, SealedKey, seal
from donkeywatch.fleet.warehouse import Warehouse
from donkeywatch.ingest import keyring
from donkeywatch.ingest.keyring import KEY_BYTES
from donkeywatch.settings.private_files import read_private_file, sync, write_private_file
from donkeywatch.settings.schema import Settings
from donkeywatch.store.file_erasure import erase_directory

SEALED = "sealed-keys"
"""Directory in the state of the issuer: a directory a week, a file a server."""
MADE_AT = "made_at"
"""File in the directory of a week: when its key was made, ms UTC."""
CHECK = "key_check"
"""File in the directory of a week, written last: the value that tells its key from others."""
SECRET_NAME = "fleet-secret.key"  # noqa: S105 - the name of a file
"""File in a key directory with what a fleet has in common for ever: digests of word lists."""


def due_weeks(settings: Settings, now: int) -> list[int]:
    """List the weeks (ms UTC), of this one and the next, that have no key yet at ``now``."""
    return [
        week
        for week in (week_of(now), week_of(now) + WEEK)
        if not (settings.state / SEALED / week_name(week)).exists()
    ]


def weeks_without_key(settings: Settings, warehouse: Warehouse, weeks: Sequence[int]) -> list[int]:
    """List those of some weeks (ms UTC) that have no key, or one whose making was interrupted.

    A second key of a week would part the servers that have the first from the others.
    """
    checks = key_checks(warehouse, min(weeks, default=0))
    return [week for week in weeks if week not in checks or is_interrupted(settings, week, checks)]


def make_week_key(settings: Settings, week: int, warehouse: Warehouse, now: int) -> list[Path]:
    """Make the key of a week (ms UTC) and seal it to every server; the files that can travel.

    The fleet's tables learn which key it is before anybody can use it, and after its files are on
    the disk: what was interrupted in between goes on with the same key. The key itself is kept
    nowhere: a server that is added later is in the union from the next week on.
    """
    directory = settings.state / SEALED / week_name(week)
    part = directory.with_suffix(".part")
    if not is_interrupted(settings, week, key_checks(warehouse, week)):
        shutil.rmtree(part, ignore_errors=True)
        check = _seal_new_key(settings, week, part, now)
        warehouse.insert(
            "week_keys", {"week": [week // SECOND], "key_check": [check], "made_at": [now]}
        )
    part.rename(directory)
    sync(directory.parent)
    return sorted(directory.glob("*.json"))


def is_interrupted(settings: Settings, week: int, checks: Mapping[int, str]) -> bool:
    """Tell whether the key that the tables know of a week (ms UTC) is sealed, and not given out."""
    check = (settings.state / SEALED / week_name(week)).with_suffix(".part") / CHECK
    return check.exists() and check.read_text("ascii") == checks.get(week)


def _seal_new_key(settings: Settings, week: int, directory: Path, now: int) -> str:
    """Write the sealed files of a new key into a directory; the value that tells it from others."""
    keyring.ensure_directory(settings.key_directory)
    issuer = Identity.load_or_create(settings.key_directory)
    key = secrets.token_bytes(KEY_BYTES)
    check = keyring.key_check_value(key).hex()
    payload = key + _fleet_secret(settings.key_directory)
    directory.mkdir(mode=0o700, parents=True)
    files = {
        f"{server}.json": seal(payload, week, server, base64.b64decode(public), issuer).to_text()
        for server, public in settings.fleet.servers.items()
    }
    for name, text in (*files.items(), (MADE_AT, str(now)), (CHECK, check)):
        write_private_file(directory / name, text.encode("ascii"))
    sync(directory.parent)
    return check


def sealed_for(settings: Settings, server: str) -> list[SealedKey]:
    """Give the sealed keys that wait for a server, oldest week first."""
    paths = sorted((settings.state / SEALED).glob(f"*-W*/{server}.json"))
    return [SealedKey.of_text(path.read_text("ascii")) for path in paths]


def destroy_outlived(settings: Settings, now: int) -> None:
    """Destroy the sealed keys of weeks whose rows are over at ``now``, ms UTC.

    Those of a week that was over when its key was made, for archives, wait as long as its rows.
    """
    for directory in (settings.state / SEALED).glob("*-W*[0-9]"):
        if tables.expiry(week_start(directory.name), _made_at(directory)) <= now:
            erase_directory(directory)


def _made_at(directory: Path) -> int:
    """Read when the key of a week was made, ms UTC; 0 where a crash has left nothing of that."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int((directory / MADE_AT).read_text("ascii"))
    return 0


def key_checks(warehouse: Warehouse, start: int) -> dict[int, str]:
    """Tell which key the fleet has in common in each week from ``start`` on, both ms UTC."""
    rows = warehouse.rows(
        "select week, argMax(key_check, made_at)"  # noqa: S608 - our own names
        f" from {warehouse.whole('week_keys')} where week >= {start // SECOND} group by week"
    )
    return {week * SECOND: check for week, check in rows}


def _fleet_secret(key_directory: Path) -> bytes:
    path = key_directory / SECRET_NAME
    if not path.exists():
        write_private_file(path, secrets.token_bytes(KEY_BYTES))
    return read_private_file(path, str(path))
