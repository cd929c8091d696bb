"""Names in directories: never one too few, and no directory is read for nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from donkeywatch.sources.directory_listing import GRANULARITY_SECONDS, MAX_AGE_SECONDS, Listing


class World:
    """A directory, a clock that is set by hand, and how often the directory was read."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory, self.now, self.reads = directory, 0.0, 0
        self.listing = Listing(lambda name: name.startswith("search"), lambda: self.now)
        self._listdir = os.listdir
        monkeypatch.setattr(os, "listdir", self.read)

    def read(self, directory: Path) -> list[str]:
        """List it, and count that."""
        self.reads += 1
        return self._listdir(directory)

    def names(self, step: float = 1.0) -> list[str]:
        """Sorted names after some more seconds."""
        self.now += step
        return sorted(self.listing.names(self.directory))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty directory."""
    return World(tmp_path, monkeypatch)


def test_a_directory_that_does_not_change_is_not_read_again(world: World) -> None:
    """Once its time of change is beyond doubt; and now and then in any case."""
    (world.directory / "search.log.1").touch()
    (world.directory / "other").touch()
    for _ in range(4):
        assert world.names() == ["search.log.1"]
    before = world.reads
    for _ in range(int(MAX_AGE_SECONDS) - 2):
        assert world.names() == ["search.log.1"]
    assert world.reads == before
    world.names(MAX_AGE_SECONDS)
    assert world.reads == before + 1


def test_a_name_that_comes_or_goes_is_seen_at_once(world: World) -> None:
    """Long after the last change, and right behind another one."""
    for _ in range(5):
        world.names()
    for name in ("search.log.1", "search.log.2"):
        (world.directory / name).touch()
        assert name in world.names()
    (world.directory / "search.log.1").rename(world.directory / "aside")
    assert world.names() == ["search.log.2"]


def test_a_change_that_does_not_show_is_seen(world: World) -> None:
    """A file system of coarse times: a second change keeps the time of the first."""
    (world.directory / "search.log.1").touch()
    coarse = world.directory.stat().st_mtime_ns // 10**9 * 10**9
    os.utime(world.directory, ns=(coarse, coarse))
    assert world.names() == ["search.log.1"]
    (world.directory / "search.log.2").touch()
    os.utime(world.directory, ns=(coarse, coarse))
    assert world.names(GRANULARITY_SECONDS - 0.1) == ["search.log.1", "search.log.2"]


def test_a_directory_made_anew_is_another_one(world: World) -> None:
    """Even with the same time of change."""
    (world.directory / "logs").mkdir()
    world.directory = place = world.directory / "logs"
    state = place.stat()
    for _ in range(5):
        assert world.names() == []
    place.rename(place.with_name("aside"))
    place.mkdir()
    (place / "search.log.1").touch()
    os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert world.names() == ["search.log.1"]
