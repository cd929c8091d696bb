"""Where counting stands: per source in event time, per generation in bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """One row of ``generations``: the fingerprint of the bytes counted, and how many they are."""

    id: int
    source: str
    offset: int
    skipping: bool
    head_length: int
    head_hash: bytes
    tail_length: int
    tail_hash: bytes
    size: int
    state: str


@dataclass(frozen=True, slots=True)
class Progress:
    """One row of ``sources``: the frontier of event time and the end of decided coverage, ms."""

    name: str
    newest: int | None
    suspect: int
    witnesses: int
    covered_until: int | None
