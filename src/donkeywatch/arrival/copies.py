"""Leaves out of a block what was counted before, line by line where only part of it was."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from donkeywatch.arrival.recognition import Lot, Lots, Recogniser
from donkeywatch.arrival.sightings import LineReader, Sighting, Sightings

LEFT_OUT = {
    Lot.KNOWN: "counted_before",
    Lot.WITHHELD: "withheld",
    Lot.SEALED: "sealed_week",
}
"""Why a line of a copy is not counted, as it is told."""


def leave_out_counted(
    read: Sightings,
    too_long: int,
    data: bytes | memoryview,
    reader: LineReader,
    recogniser: Recogniser,
) -> tuple[Sightings, int, Counter[str]]:
    """Give the new searches of a block with the tally of the other new lines.

    ``too_long`` lines were dropped unread. Returns how many of them are new, too, and the lines
    that are left out by reason. A line that is no search shares the lot of the search before it
    in the file, or of the first one.
    """
    lots = recogniser.recognise(read)
    last = recogniser.last
    if len(lots):
        recogniser.last = Lot(int(lots[-1]))
    kinds = set(lots.tolist()) | ({int(last)} if last is not None else set())
    others = read.tally.total() + too_long
    if len(kinds) > 1 and others:
        tally, left_out = _tally_by_line(data, reader, lots, last)
        if too_long:
            left_out[_of_last(recogniser)] += too_long
    else:
        lot = Lot(kinds.pop()) if kinds else Lot.NEW
        tally = Counter(read.tally) if lot is Lot.NEW else Counter[str]()
        left_out = Counter({lot: others})
    left_out.update(Lot(lot) for lot in lots.tolist())
    new_too_long = too_long if _of_last(recogniser) is Lot.NEW else 0
    kept = replace(read.where(lots == Lot.NEW), tally=tally)
    reasons = Counter({LEFT_OUT[lot]: lines for lot, lines in left_out.items() if lot in LEFT_OUT})
    return kept, new_too_long, +reasons


def _of_last(recogniser: Recogniser) -> Lot:
    return Lot.NEW if recogniser.last is None else recogniser.last


def _tally_by_line(
    data: bytes | memoryview, reader: LineReader, lots: Lots, last: Lot | None
) -> tuple[Counter[str], Counter[Lot]]:
    """Count the lines that are no search by outcome where they are new, else by their lot."""
    tally, left_out = Counter[str](), Counter[Lot]()
    coming = iter(lots.tolist())
    lot = last if last is not None else Lot(int(lots[0])) if len(lots) else Lot.NEW
    for result in reader.results(bytes(data)):
        if isinstance(result, Sighting):
            lot = Lot(next(coming, Lot.NEW))
        elif lot is Lot.NEW:
            tally[result] += 1
        else:
            left_out[lot] += 1
    return tally, left_out
