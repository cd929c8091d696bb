"""Kind A: what was counted is recognised wherever it turns up again, and what is new counts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from conformance.copying import PACKERS, CopiedLog, Way

WAYS = st.sampled_from(get_args(Way))
FIRST = st.integers(0, 400)
COUNTS = st.sampled_from((0, 1, 2, 3, 7, 40, 150))
PACKING = st.sampled_from(tuple(PACKERS))


class Machine(RuleBasedStateMachine):
    """Copying, cutting, merging, masking, packing and renaming in any order, beside new lines."""

    @initialize()
    def begin(self) -> None:
        """A log with some lines that are counted."""
        self.log = CopiedLog()
        self.log.write(60)
        self.log.step()

    @rule(count=st.integers(1, 50))
    def write(self, count: int) -> None:
        """The server goes on."""
        self.log.write(count)

    @rule()
    def look(self) -> None:
        """The daemon looks and stores."""
        self.log.step()

    @rule(way=WAYS, count=COUNTS)
    def copy(self, way: Way, count: int) -> None:
        """The log is a copy that is written anew, with some more lines."""
        self.log.step()
        self.log.put(self.log.current() + self.log.new_lines(count), way)
        self.log.step()

    @rule(way=WAYS, left=st.integers(0, 90))
    def cut_front(self, way: Way, left: int) -> None:
        """The log is kept short by cutting its front off."""
        self.log.step()
        content = self.log.current()
        self.log.put(content[max(0, len(content) - left) :], way)
        self.log.step()

    @rule()
    def rotate(self) -> None:
        """Rename and create."""
        self.log.step()
        self.log.rotate()
        self.log.step()

    @rule(renamed=st.booleans())
    def restart(self, renamed: bool) -> None:
        """The source may have another name then."""
        self.log.restart("paris" if renamed and self.log.name == "main" else "main")

    @rule(parts=st.lists(st.tuples(FIRST, COUNTS), max_size=3), more=COUNTS, packing=PACKING)
    def backfill(self, parts: list[tuple[int, int]], more: int, packing: str) -> None:
        """Archives that overlap, merged in any order, with lines that nobody has counted."""
        content = [line for part in parts for line in self.log.part(*part)]
        content += self.log.new_lines(more, back=3_600_000)
        assert self.log.backfill(list(dict.fromkeys(content)), packing) is None

    @rule(part=st.tuples(FIRST, st.sampled_from((5, 40, 150))), packing=PACKING)
    def drop(self, part: tuple[int, int], packing: str) -> None:
        """A copy of some lines appears beside the log under a rotated name."""
        self.log.step()
        self.log.drop(self.log.part(*part), packing)
        self.log.step()

    @rule(first=FIRST, count=st.sampled_from((60, 150)))
    def backfill_masked(self, first: int, count: int) -> None:
        """A copy in which addresses are masked is refused in so many words."""
        self.log.step()
        content = [
            line.split(b"\t", 1)[0] + b"\t192.0.2.0\t" + line.rsplit(b"\t", 1)[1]
            for line in self.log.part(first, count)
        ]
        if len(content) >= 40:
            told = self.log.backfill(content, "")
            assert told is not None
            assert "masked" in told

    def teardown(self) -> None:
        """Compare."""
        if hasattr(self, "log"):
            try:
                self.log.check()
            finally:
                self.log.close()


SETTINGS = settings(
    max_examples=int(os.environ.get("DONKEYWATCH_EXAMPLES", "300")),
    stateful_step_count=12,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.untraced
@pytest.mark.scenario("XA1")
def test_anything_copied_in_any_order_counts_once() -> None:
    """Every sequence that hypothesis thinks up, with the whole engine and a real database."""
    run_state_machine_as_test(Machine, settings=SETTINGS)


@pytest.fixture
def log() -> Iterator[CopiedLog]:
    """A log with 60 counted lines."""
    made = CopiedLog()
    made.write(60)
    made.step()
    yield made
    made.close()
