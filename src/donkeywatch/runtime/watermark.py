"""What follows from all sources together: the watermark, and what a checkpoint takes of them."""

from __future__ import annotations

from collections.abc import Sequence

from donkeywatch.counting.checkpoint_batch import BatchBuilder
from donkeywatch.counting.coverage import CoveredTime
from donkeywatch.runtime.followed_source import FOLLOWED_KEY_PREFIX, FollowedSource
from donkeywatch.store.store import UPGRADED


def watermark_of(streams: Sequence[FollowedSource], now: int, lateness: int) -> int | None:
    """Event time up to which all sources are counted, less the lateness; all ms UTC."""
    times = [now if stream.caught_up else stream.frontier.max_time for stream in streams]
    known = [time for time in times if time is not None]
    return None if len(known) < len(times) else min(known) - lateness


def take_events(streams: Sequence[FollowedSource], batch: BatchBuilder) -> list[CoveredTime]:
    """Count what happened to the logs; gives the time that is covered since the last call."""
    covered = []
    for stream in streams:
        for name, amount in stream.follower.events.items():
            batch.count(name, stream.source.name, amount)
        for span in stream.take_coverage():
            covered.append(span._replace(source=stream.source.name, share=1 / len(streams)))
    return covered


def first_looks(streams: Sequence[FollowedSource]) -> dict[str, str]:
    """Settings to store: which logs were looked at for the first time, or since an upgrade."""
    facts = {
        FOLLOWED_KEY_PREFIX + stream.source.name: "1"
        for stream in streams
        if stream.first_follow_unrecorded
    }
    if any(stream.upgraded for stream in streams) and not any(
        s.follower.last_scan_failed for s in streams
    ):
        facts[UPGRADED] = "0"
        for stream in streams:
            stream.upgraded = False
    return facts
