"""What the issuer does: makes the key of a week, seals it to each server, and keeps none of it."""

from __future__ import annotations

import base64
import secrets
import shutil
from pathlib import Path

from donkeywatch.counting.calendar import SECOND, WEEK, week_name, week_of, week_start
from donkeywatch.fleet import tables
from donkeywatch.fleet.sealed_keys import Identity, SealedKey, seal
from donkeywatch.fleet.warehouse import Warehouse
from donkeywatch.ingest import keyring
from donkeywatch.ingest.keyring import KEY_BYTES
from donkeywatch.settings.private_files import read_private_file, write_private_file
from donkeywatch.settings.schema import Settings
from donkeywatch.store.file_erasure import erase_directory

SEALED = "sealed-keys"
"""Directory in the state of the issuer: a directory a week, a file a server."""
MADE_AT = "made_at"
"""File in the directory of a week: when its key was made, ms UTC."""
SECRET_NAME = "fleet-secret.key"  # noqa: S105 - the name of a file
"""File in a key directory with what a fleet has in common for ever: digests of word lists."""


def due_weeks(settings: Settings, now: int) -> list[int]:
    """List the weeks (ms UTC), of this one and the next, that have no key yet at ``now``."""
    return [
        week
        for week in (week_of(now), week_of(now) + WEEK)
        if not (settings.state / SEALED / week_name(week)).exists()
    ]


def make_week_key(settings: Settings, week: int, warehouse: Warehouse, now: int) -> list[Path]:
    """Make the key of a week (ms UTC) and seal it to every server; the files that can travel.

    The fleet's tables learn which key it is before anybody can use it. The key itself is kept
    nowhere: a server that is added later is in the union from the next week on.
    """
    keyring.ensure_directory(settings.key_directory)
    issuer = Identity.load_or_create(settings.key_directory)
    payload = secrets.token_bytes(KEY_BYTES)
    warehouse.insert(
        "week_keys",
        {
            "week": [week // SECOND],
            "key_check": [keyring.key_check_value(payload).hex()],
            "made_at": [now],
        },
    )
    payload += _fleet_secret(settings.key_directory)
    directory = settings.state / SEALED / week_name(week)
    part = directory.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700, parents=True)
    for server, public in settings.fleet.servers.items():
        sealed = seal(payload, week, server, base64.b64decode(public), issuer)
        (part / f"{server}.json").write_text(sealed.to_text(), "ascii")
    (part / MADE_AT).write_text(str(now), "ascii")
    part.rename(directory)
    return sorted(directory.glob("*.json"))


def sealed_for(settings: Settings, server: str) -> list[SealedKey]:
    """Give the sealed keys that wait for a server, oldest week first."""
    paths = sorted((settings.state / SEALED).glob(f"*-W*/{server}.json"))
    return [SealedKey.of_text(path.read_text("ascii")) for path in paths]


def destroy_outlived(settings: Settings, now: int) -> None:
    """Destroy the sealed keys of weeks whose rows are over at ``now``, ms UTC.

    Those of a week that was over when its key was made, for archives, wait as long as its rows.
    """
    for directory in (settings.state / SEALED).glob("*-W*[0-9]"):
        made_at = int((directory / MADE_AT).read_text("ascii"))
        if tables.expiry(week_start(directory.name), made_at) <= now:
            erase_directory(directory)


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
