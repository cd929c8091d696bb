"""The process that ships to a fleet never costs the daemon anything."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from donkeywatch.runtime import fleet_shipping
from donkeywatch.runtime.fleet_shipping import RETRY_MS, FleetShipping
from donkeywatch.settings.schema import Settings
from donkeywatch.store import outbox
from donkeywatch.store.database_opening import ensure_state_directory
from donkeywatch.store.store import Store


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Any]:
    """What shipping needs of an engine: its database."""
    ensure_state_directory(tmp_path)
    store = Store(tmp_path, ("one",))
    yield SimpleNamespace(store=store)
    store.close()


def shipping() -> FleetShipping:
    """Of a daemon whose settings nothing is read of here."""
    return FleetShipping(Path("settings.toml"), cast(Settings, None))


def test_a_process_that_cannot_be_started_is_tried_again_later(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as the system allows may run already; no descriptor is left open each time."""
    starts = []

    def fail(*_arguments: object, **_options: object) -> None:
        starts.append(1)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", fail)
    tried = shipping()
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    for steady in (0, RETRY_MS - 1, RETRY_MS):
        tried.step(engine, 0, steady)
    assert len(starts) == 2
    assert "BlockingIOError" in tried.problem
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_a_database_that_cannot_be_read_does_not_end_the_daemon(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is the engine's to tell; shipping waits for it."""

    def fail(_db: object) -> list[object]:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(outbox, "pending", fail)
    monkeypatch.setattr(fleet_shipping, "_Running", None)
    tried = shipping()
    tried.step(engine, 0, 0)
    assert "OperationalError" in tried.problem
