"""Every script in every cell of its matrix: donkeywatch loses nothing and doubles nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.readers import Daemon, Stepped
from conformance.scripts import MATRIX, SCRIPTS, Scripted, prepare
from conformance.site import Case, Reader, Site


def _cells(bells: int) -> list[object]:
    """Every cell, with as many kinds of wakeup as there are for the reader."""
    return [
        pytest.param(
            scripted, case, marks=pytest.mark.scenario(scripted.id),
            id=f"{scripted.name.replace(' ', '_')}-{case}",
        )
        for scripted in SCRIPTS
        for case in scripted.cases()
        if case.wakeup in MATRIX["wakeup"][:bells]
    ]  # fmt: skip


def _go(directory: Path, reader: Reader, scripted: Scripted, case: Case) -> None:
    if "logrotate" in scripted.name and not shutil.which("logrotate"):
        assert "CI" not in os.environ, "CI installs logrotate"
        pytest.skip("logrotate is not installed")
    site = Site(directory, reader, case)
    prepare(site)
    try:
        scripted.run(site)
        assert site.outcome() == (0, 0)
        # Whatever is found again at a new start is known.
        site.restart()
        assert site.outcome() == (0, 0)
        reader.stop()
        assert site.outcome_of(reader.tally()) == (0, 0)
    finally:
        site.close()


@pytest.mark.parametrize(("scripted", "case"), _cells(bells=2))
def test_a_process_counts_every_line_once(
    tmp_path: Path, daemon: Callable[[Case], Daemon], scripted: Scripted, case: Case
) -> None:
    """A real daemon, real files, real signals."""
    _go(tmp_path, daemon(case), scripted, case)


@pytest.mark.parametrize(("scripted", "case"), _cells(bells=1))
def test_a_stepped_engine_counts_every_line_once(
    tmp_path: Path, scripted: Scripted, case: Case
) -> None:
    """The same with a clock that only the test moves: a kill falls between read and commit."""
    _go(tmp_path, Stepped(tmp_path, case), scripted, case)
