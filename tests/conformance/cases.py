"""The cells of the matrix, and the types of the fixtures."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from conformance.diary import Clocks
from conformance.readers import Daemon
from conformance.site import Case, Site

Make = Callable[[Case], Daemon]
Prepared = Callable[..., Daemon]
Begun = Callable[..., tuple[Daemon, Site]]
Ask = Callable[[Daemon, str], httpx.Response]
Reasons = Callable[[Daemon], str]
"""Types of the fixtures."""


CASES = (Case(), Case(end="kill"), Case(wakeup="polling"), Case(wakeup="polling", end="kill"))


TWO = pytest.mark.parametrize("case", [Case(), Case(wakeup="polling", end="kill")], ids=str)
"""Each wakeup and each end, where all of them together would take too long."""


stepped_ends = pytest.mark.parametrize(
    "ending", [None, Case(end="stop"), Case(end="kill")], ids=["runs on", "stop", "kill"]
)
"""An engine that is stepped has no wakeup; it runs on, or restarts after both ends."""
Engines = Callable[[Case, int], Clocks]
Daemons = Callable[[Case], Daemon]
Run = Callable[..., tuple[int, str]]
