"""Opening all sources at their stored positions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from donkeywatch.counting.calendar import SECOND
from donkeywatch.counting.coverage import Coverage
from donkeywatch.counting.event_time_frontier import EventTimeFrontier
from donkeywatch.ingest.block_reader import BlockReader
from donkeywatch.ingest.detector import Detector
from donkeywatch.runtime.followed_source import (
    FOLLOWED_KEY_PREFIX,
    FollowedSource,
    line_reader,
    log_of,
)
from donkeywatch.settings.schema import Settings
from donkeywatch.sources.fingerprints import FingerprintKeys
from donkeywatch.sources.follower import Follower
from donkeywatch.sources.lost_key_positions import BACK, adopt
from donkeywatch.sources.positions import FinishedFile, GenerationPosition
from donkeywatch.store import lost_keys
from donkeywatch.store.store import BACKFILLED, UPGRADED, Store


def adopt_logs(
    settings: Settings,
    store: Store,
    detector: Detector,
    now: int,
    keys: FingerprintKeys,
    lost: Collection[int],
) -> None:
    """Find the files whose fingerprints were made with keys that are lost, and make them again.

    ``lost`` are weeks and ``now`` is a time, both in ms UTC. All are stored at once, or none is.
    """
    adopted: list[GenerationPosition] = []
    for source in settings.source:
        reader = BlockReader(line_reader(source, detector))

        def newest_in(lines: bytes, reader: BlockReader = reader) -> int | None:
            whole = lines[lines.find(b"\n") + 1 :] if len(lines) == BACK else lines
            times = reader.read(whole).time
            return int(times.max()) if len(times) else None

        newest = store.progress(source.name).newest
        stored = [GenerationPosition.of_row(row) for row in store.positions(source.name)]
        positions = [position for position in stored if position.week in lost]
        log = log_of(source, settings.source)
        adopted += adopt(log, positions, keys, newest, newest_in)
    lost_keys.store_adopted(store, adopted, now)


def open_sources(
    settings: Settings,
    store: Store,
    detector: Detector,
    keys: FingerprintKeys,
    begin: Callable[[], int],
) -> list[FollowedSource]:
    """Open every source where the database says it stands.

    ``begin`` is called before a file is read that may be a copy, as `Follower` tells.
    """
    store.forget_positions_but_of([source.name for source in settings.source])
    number = itertools.count(store.next_generation()).__next__
    silence = round(settings.time.max_gap * SECOND)
    backfilled = int(store.setting(BACKFILLED) or 0)
    upgraded = int(store.setting(UPGRADED) or 0) * 1_000_000
    streams = []
    led_to: dict[Path, tuple[int, int] | None] = {}
    for source in settings.source:
        stored = store.progress(source.name)
        new = store.setting(FOLLOWED_KEY_PREFIX + source.name) is None
        follower = Follower(
            replace(log_of(source, settings.source), led_to=led_to),
            keys,
            [GenerationPosition.of_row(row) for row in store.positions(source.name)],
            number,
            first_start=new,
            finished=[FinishedFile.of_row(row) for row in store.finished_files(source.name)],
            finished_before=upgraded,
            counted_otherwise=backfilled,
            begin=begin,
        )
        streams.append(
            FollowedSource(
                source,
                follower,
                BlockReader(line_reader(source, detector)),
                EventTimeFrontier.restored(stored.newest, stored.candidate, stored.confirmations),
                Coverage(stored.covered_until),
                stored,
                silence,
                never_followed=new,
                upgraded=upgraded > 0,
            )
        )
    return streams
