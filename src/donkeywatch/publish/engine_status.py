"""What the running engine knows of itself, for readiness and the plumbing metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from donkeywatch.estimation.correction import Accuracy


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One log as it is followed now."""

    name: str
    following: bool
    caught_up: bool
    lag_bytes: int
    offset_bytes: int
    last_event: int | None
    """Newest plausible event time, ms UTC."""
    error: str | None


@dataclass(slots=True)
class CommitHealth:
    """How the commits of a process went."""

    is_good: bool = True
    errors: int = 0
    """Failed commits since the last good one."""
    trouble: str = ""
    """Why the last one failed, in the system's words."""
    last: int | None = None
    """Wall clock of the last good one, ms UTC."""

    def succeeded(self, now: int) -> None:
        """A commit went well, at a time in ms UTC."""
        self.is_good, self.errors, self.last = True, 0, now

    def failed(self, reason: str) -> None:
        """A commit went wrong."""
        self.is_good, self.errors, self.trouble = False, self.errors + 1, reason


@dataclass(frozen=True, slots=True)
class FleetWindowStatus:
    """The newest window of a kind, united over the servers of a fleet."""

    window: str
    servers: int
    outside_queries: int
    """Queries of servers that are not in it."""
    shared_addresses: int
    """Distinct addresses that asked at more than one server."""


@dataclass(frozen=True, slots=True)
class Status:
    """The engine at one instant; replaced whole, never changed."""

    sources: tuple[SourceStatus, ...] = ()
    last_commit: int | None = None
    """Wall clock of the last good commit, ms UTC."""
    last_backup: int | None = None
    """Wall clock of the newest backup, ms UTC."""
    last_commit_ok: bool = True
    commit_errors: int = 0
    """Failed commits since the last good one; stored ones are in the database."""
    commit_trouble: str = ""
    """What the system or SQLite said of the commit that failed last."""
    last_reload_ok: bool = True
    ready: bool = False
    """What `/readyz` says, by the settings of the running service."""
    state_id: str = ""
    """What tells this state directory from others; it means nothing."""
    lexicon: str = ""
    """Keyed digest of the lexicon, and nothing else of it."""
    topics: tuple[tuple[str, tuple[str, ...]], ...] = ()
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)
    """By topic, from a validation record that fits the lexicon; else there are none."""
    change_counter: tuple[int, int] | None = None
    """Which engine, and how many changes it has made; None where nobody counts them."""
    lexicon_expires: int | None = None
    """When the lexicon may not be used any more, ms UTC; None where it does not expire."""
    notices: tuple[str, ...] = ()
    """What the operator has to do before it is too late; counting goes on."""
    overdue: tuple[int, ...] = ()
    """Weeks (ms UTC) whose time is over and whose keys are not destroyed yet."""
    log_blocked: bool = False
    """Another program keeps destroyed rows in the write-ahead log."""
    engine_problems: tuple[str, ...] = field(default=())
    """Why the engine is not ready, apart from the sources; empty when it is."""

    fleet_pending_hours: int | None = None
    """Closed hours that have not arrived at the fleet; None without one."""
    fleet_windows: tuple[FleetWindowStatus, ...] = ()
    """The united windows, of `fleet serve` alone."""

    @property
    def is_settled(self) -> bool:
        """All is read and nothing is wrong: until a log changes there is nothing to look for."""
        all_read = all(source.caught_up and not source.error for source in self.sources)
        return self.ready and all_read and not self.log_blocked and not self.overdue

    def readiness_problems(self, ready_lag: int) -> list[str]:
        """The reasons, for the operator; an empty list means ready."""
        reasons = list(self.engine_problems)
        if not self.sources:
            reasons.append("the first scan is not done")
        if not self.last_commit_ok:
            reason = f" ({self.commit_trouble})" if self.commit_trouble else ""
            reasons.append(f"the last commit failed{reason}")
        for source in self.sources:
            if not source.following:
                reasons.append(f"source {source.name}: {source.error or 'not followed'}")
            elif source.lag_bytes > ready_lag and not source.caught_up:
                reasons.append(f"source {source.name}: {source.lag_bytes} bytes behind")
        return reasons
