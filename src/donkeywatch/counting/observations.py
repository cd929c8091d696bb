"""Pseudonymised queries as columns, with no place for an address or a word; line outcomes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
"""Event times, milliseconds since the Unix epoch, UTC."""
Pseudonyms = npt.NDArray[np.uint64]
Countries = npt.NDArray[np.uint16]
"""Two ASCII letters of an ISO 3166 code, the first in the high byte."""
CategoryCodes = npt.NDArray[np.uint8]
"""Per topic the number of the category that matched, counted from 1; 0 where none did."""

REJECTIONS = (
    "too_long",
    "malformed",
    "bad_time",
    "impossible_time",
    "future",
    "too_late",
    "bad_address",
)
"""Why a line that looks like a search was not counted."""
LEFT_OUT = ("counted_before", "withheld", "destroyed_week")
"""Why a line of a copy is not counted."""
OUTCOMES = ("query", "keywordless", "other", *REJECTIONS)
"""Every line has exactly one of these."""


@dataclass(frozen=True, slots=True)
class Observations:
    """The countable queries of some lines of one source, in the order of the log.

    ``categories`` has one row per topic and one column per query; ``previous_pseudonym`` holds the
    pseudonyms under the key of the week before, or those of their own week where that key is
    destroyed. ``is_late`` marks queries whose hour had closed. ``tally`` counts every line by
    outcome, ``query`` among them.
    """

    time: Times
    pseudonym: Pseudonyms
    previous_pseudonym: Pseudonyms
    country: Countries
    categories: CategoryCodes
    is_late: npt.NDArray[np.bool_]
    tally: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.time)


def concat(parts: Sequence[Observations]) -> Observations:
    """Some observations one behind the other, without their tallies."""
    if len(parts) == 1:
        return parts[0]
    return Observations(
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.pseudonym for part in parts]),
        np.concatenate([part.previous_pseudonym for part in parts]),
        np.concatenate([part.country for part in parts]),
        np.concatenate([part.categories for part in parts], axis=1),
        np.concatenate([part.is_late for part in parts]),
    )


def pack_country(iso: str) -> int:
    """Pack two letters into the number the country column holds."""
    return ord(iso[0]) << 8 | ord(iso[1])


def unpack_country(code: int) -> str:
    """Two letters from the number the country column holds."""
    return chr(code >> 8) + chr(code & 0xFF)
