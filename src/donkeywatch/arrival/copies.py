"""Leaves out of a block what was counted before, line by line where only part of it was."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from donkeywatch.arrival.recognition import Lot, Lots, Recogniser
from donkeywatch.arrival.sightings import LineReader, Sighting, Sightings
from donkeywatch.counting.observations import LEFT_OUT

REASONS = dict(zip((Lot.KNOWN, Lot.WITHHELD, Lot.SEALED), LEFT_OUT, strict=True))
"""Why a line of a copy is not counted, as it is told."""


def leave_out_counted(
    read: Sightings,
    too_long: int,
    data: bytes | memoryview,
    reader: LineReader,
    recogniser: Recogniser,
    *,
    more_follows: bool,
) -> tuple[Sightings, int, Counter[str]]:
    """Give the new searches of a block with the tally of the other new lines.

    ``too_long`` lines were dropped unread; ``more_follows`` tells that the file goes on behind the
    block. Returns how many of the lines that were too long are new, too, and the lines that are
    left out by reason. A line that is no search is left out where it stands between two searches
    that are: nothing else tells whether it was counted, and none may be lost.
    """
    lots = recogniser.recognise(read, lambda: reader.lines_of_searches(bytes(data)))
    last = recogniser.last
    if len(lots):
        recogniser.last = Lot(int(lots[-1]))
    others = read.tally.total() + too_long
    all_left_out = bool(len(lots)) and bool((lots != Lot.NEW).all()) and last is not Lot.NEW
    if all_left_out and (more_follows or not others):
        tally, left_out, new_too_long = Counter[str](), Counter({Lot(int(lots[0])): others}), 0
    elif not (lots != Lot.NEW).any() and last in (None, Lot.NEW):
        tally, left_out, new_too_long = Counter(read.tally), Counter[Lot](), too_long
    else:
        tally, left_out = _tally_by_line(data, reader, lots, last, more_follows=more_follows)
        new_too_long = too_long
    left_out.update(Lot(lot) for lot in lots.tolist())
    kept = replace(read.where(lots == Lot.NEW), tally=tally)
    reasons = Counter({REASONS[lot]: lines for lot, lines in left_out.items() if lot in REASONS})
    return kept, new_too_long, +reasons


def _tally_by_line(
    data: bytes | memoryview,
    reader: LineReader,
    lots: Lots,
    last: Lot | None,
    *,
    more_follows: bool,
) -> tuple[Counter[str], Counter[Lot]]:
    """Count the lines that are no search by outcome where they are new, else by their lot."""
    tally, left_out, between = Counter[str](), Counter[Lot](), Counter[str]()
    coming = iter(lots.tolist())

    def decide(before: Lot, after: Lot) -> None:
        if Lot.NEW in (before, after):
            tally.update(between)
        else:
            left_out[before] += between.total()
        between.clear()

    for result in reader.results(bytes(data)):
        if isinstance(result, Sighting):
            lot = Lot(next(coming, Lot.NEW))
            decide(lot if last is None else last, lot)
            last = lot
        else:
            between[result] += 1
    lot = Lot.NEW if last is None else last
    decide(lot, lot if more_follows else Lot.NEW)
    return tally, left_out
