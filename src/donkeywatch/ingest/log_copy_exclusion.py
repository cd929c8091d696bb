"""Drops duplicate searches from a block, and decides on other lines by their neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

import numpy as np

from donkeywatch.counting.observations import LEFT_OUT
from donkeywatch.ingest.lateness import ACCEPTED, TIME_REJECTIONS, JudgedQueries, Verdicts
from donkeywatch.ingest.line_reader import LineReader, ParsedQuery
from donkeywatch.ingest.log_copy_recogniser import Recogniser, SearchOutcome, SearchOutcomes

NEWEST_SEARCH_BYTES = 1 << 14
"""Bytes at the end of a log among which its newest search is looked for."""
REASONS = dict(
    zip(
        (SearchOutcome.KNOWN, SearchOutcome.WITHHELD, SearchOutcome.UNKNOWABLE),
        LEFT_OUT,
        strict=True,
    )
)
"""Why a line of a copy is not counted, as messages say it."""


def newest_search(end: bytes, reader: LineReader) -> int | None:
    """Give the event time (ms UTC) of the newest search at the end of a log, None without one."""
    read = reader.read_lines(end[-NEWEST_SEARCH_BYTES:])
    times = np.minimum(read.time, read.alternative)
    return int(times.max()) if len(times) else None


def leave_out_counted(
    judged: JudgedQueries,
    too_long: int,
    data: bytes | memoryview,
    reader: LineReader,
    recogniser: Recogniser,
    *,
    more_follows: bool,
) -> tuple[JudgedQueries, int, Counter[str]]:
    """Give the new searches of a block with the tally of the other new lines.

    ``too_long`` lines were dropped unread; ``more_follows`` tells that the file goes on behind the
    block. Returns how many of the lines that were too long are new, too, and the lines that are
    left out by reason. A line that is no search, or whose time is rejected, cannot be recognised by
    itself: it is left out only where the searches before and after it are. In doubt it is counted,
    so that none is lost.
    """

    def lines(looked_for: Set[bytes]) -> Sequence[bytes]:
        # To read them takes far longer than to see that none is looked for.
        is_there = not looked_for.isdisjoint(bytes(data).split(b"\n"))
        return reader.lines_of_searches(bytes(data)) if is_there else ()

    outcomes = recogniser.recognise(judged.read, lines)
    last = recogniser.last_outcome
    rejected = (outcomes == SearchOutcome.NEW) & (judged.verdict != ACCEPTED)
    new = (outcomes == SearchOutcome.NEW) & ~rejected
    deciding = outcomes[~rejected]
    if len(deciding):
        recogniser.last_outcome = SearchOutcome(int(deciding[-1]))
    others = judged.read.outcomes.total() + int(rejected.sum()) + too_long
    if (
        len(deciding)
        and not new.any()
        and last is not SearchOutcome.NEW
        and (more_follows or not others)
    ):
        tally, left_out = Counter[str](), Counter({SearchOutcome(int(deciding[0])): others})
        new_too_long = 0
    elif not (deciding != SearchOutcome.NEW).any() and last in (None, SearchOutcome.NEW):
        tally, left_out, new_too_long = judged.outcomes(), Counter[SearchOutcome](), too_long
    else:
        verdict = np.where(rejected, judged.verdict, ACCEPTED)
        tally, left_out = _tally_by_line(
            data, reader, outcomes, verdict, last, more_follows=more_follows
        )
        new_too_long = too_long
    # Of millions of searches: not one by one.
    left_out.update({SearchOutcome(n): int(k) for n, k in enumerate(np.bincount(deciding)) if k})
    kept = judged.where(new).with_tally(tally)
    reasons = Counter(
        {REASONS[outcome]: lines for outcome, lines in left_out.items() if outcome in REASONS}
    )
    return kept, new_too_long, +reasons


def _tally_by_line(
    data: bytes | memoryview,
    reader: LineReader,
    outcomes: SearchOutcomes,
    verdict: Verdicts,
    last: SearchOutcome | None,
    *,
    more_follows: bool,
) -> tuple[Counter[str], Counter[SearchOutcome]]:
    """Tally the lines that are no accepted searches, and those that are left out.

    A line beside a new search is tallied by its own outcome; one between two searches that were
    counted before is left out, under the outcome of the search before it.
    """
    tally, left_out, between = Counter[str](), Counter[SearchOutcome](), Counter[str]()
    coming = zip(outcomes.tolist(), verdict.tolist(), strict=True)

    def decide(before: SearchOutcome, after: SearchOutcome) -> None:
        if SearchOutcome.NEW in (before, after):
            tally.update(between)
        else:
            left_out[before] += between.total()
        between.clear()

    for result in reader.results(bytes(data)):
        if not isinstance(result, ParsedQuery):
            between[result] += 1
            continue
        outcome, rejection = next(coming, (SearchOutcome.NEW, ACCEPTED))
        if rejection != ACCEPTED:
            between[TIME_REJECTIONS[rejection]] += 1
        else:
            decide(SearchOutcome(outcome) if last is None else last, SearchOutcome(outcome))
            last = SearchOutcome(outcome)
    outcome = SearchOutcome.NEW if last is None else last
    decide(outcome, outcome if more_follows else SearchOutcome.NEW)
    return tally, left_out
