"""The page of what followers lose and double, and the peers that are installed."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from conformance import page
from conformance.page import SETUPS, Setup
from conformance.peer import LINE, Peer, counted
from conformance.peers import PEERS, Imfile, Mtail, Pygtail
from conformance.report import PAGE, RESULTS, cells, merged
from conformance.scripts import SCRIPTS, prepare, renamed_and_created
from conformance.site import Case, Site

INSTALLED: dict[type[Peer], bool] = {
    Mtail: shutil.which("mtail") is not None,
    Imfile: shutil.which("rsyslogd") is not None,
    Pygtail: importlib.util.find_spec("pygtail") is not None,
}
HERE = pytest.mark.skipif(
    not all(INSTALLED.values()),
    reason="mtail, rsyslog and pygtail are for `make conformance-peers`; `make test` needs none",
)
"""Of tests of the peers themselves, which donkeywatch does not depend on."""


def results(**runs: str) -> dict[str, Any]:
    """Results of one script: exact for every set-up that is not named."""
    made = {setup.key: "0/0 0/0 0/0" for setup in SETUPS}
    made |= {key.replace("_", ", "): value for key, value in runs.items()}
    return {
        "circumstances": {"date": "2026-01-01"},
        "versions": dict.fromkeys(page.TOOLS, "1.2"),
        "rows": [{"script": "R01 zqorv", "lines": 50, "runs": made}],
    }


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ("0/0 0/0 0/0", "0/0"),
        ("20/0 20/0 20/0", "20/0"),
        ("12/0 0/0 12/0", "12/0 (1 of 3 exact)"),
        ("3/0 2/2 0/3", "2/2"),
        ("9/0 10/0 10/0", "10/0"),
        ("0/0 - 0/0", "-"),
    ],
)
def test_a_cell_is_the_worst_run(runs: str, message: str) -> None:
    """With the number of exact runs if some were."""
    assert page.cell(runs) == message


def test_a_tool_is_shown_in_the_set_up_that_suits_it() -> None:
    """More exact scripts, then more exact runs; the summary tells of both."""
    result = page.rendered(results(mtail_path="5/0 0/0 0/0", mtail_glob="5/0 5/0 0/0"))
    assert "| R01 zqorv | 50 | 0/0 | 5/0 (2 of 3 exact) | 0/0 | 0/0 |" in result
    assert re.search(r"\| mtail .*search\.log` \| 0 of 1 \| 2 of 3 \| yes \|", result)
    assert re.search(r"\| mtail .*search\.log\*'` \| 0 of 1 \| 1 of 3 \| no \|", result)
    assert page.NOTE not in result
    result = page.rendered(results(mtail_path="5/0 0/0 0/0"))
    assert "| R01 zqorv | 50 | 0/0 | 0/0 | 0/0 | 0/0 |" in result


def test_a_script_that_a_tool_cannot_run_is_told() -> None:
    """By a dash and a note."""
    result = page.rendered(results(pygtail_any="-", **{"pygtail_full lines": "- - -"}))
    assert "| R01 zqorv | 50 | 0/0 | 0/0 | 0/0 | - |" in result
    assert result.endswith(page.NOTE)


def test_the_page_is_rendered_from_its_results() -> None:
    """Nobody has edited docs/reliability.md: `python -m conformance.report --render`."""
    kept = json.loads(RESULTS.read_text("utf-8"))
    assert page.rendered(kept) == PAGE.read_text("utf-8")
    assert all(page.always(row["runs"][page.OURS]) for row in kept["rows"])


def test_rows_that_were_run_again_replace_the_old_ones() -> None:
    """In the order of the scripts; a script that is gone loses its row."""
    first, second, third = [{"script": s.name, "lines": 1} for s in SCRIPTS[:3]]
    again = {**second, "lines": 2}
    gone = {"script": "R01 zqorv", "lines": 1}
    assert merged([third, first, second, gone], [again]) == [first, again, third]


def test_every_row_is_of_a_script_that_there_is() -> None:
    """A script that was renamed or taken out asks for `make conformance-peers`."""
    kept = json.loads(RESULTS.read_text("utf-8"))
    assert {row["script"] for row in kept["rows"]} <= {s.name for s in SCRIPTS if s.peers}


def test_every_script_runs_three_times_or_more() -> None:
    """In every cell of the reduced matrix."""
    for scripted in SCRIPTS:
        result = cells(scripted)
        assert len(result) >= 3
        assert {c.writer for c in result} == {c.writer for c in scripted.cases()}
        assert {c.end for c in result} == {c.end for c in scripted.cases()}


def test_a_cut_line_is_not_another_line(tmp_path: Path) -> None:
    """The serial number must be the address's, whatever stands before or after it."""
    site = Site(tmp_path, Mtail(tmp_path, Case(), "path"), Case())
    whole = site.line(70_012)
    text = b"\0\0" + whole + whole[:-2] + b"\n" + whole[:-1] + b"\r\n" + whole[:-1] + b"#015\n"
    result = LINE.findall(text + b"zqorv 70012\n")
    message = counted(
        (high.decode(), low.decode(), serial.decode()) for high, low, serial in result
    )
    assert message == {70_012: 3}


@HERE
@pytest.mark.parametrize("kind", PEERS)
def test_a_peer_follows_a_rename(tmp_path: Path, kind: type[Peer]) -> None:
    """What every follower promises; and a line that was never written is found to be missing."""
    assert kind.version()
    choice = next(s for s in SETUPS if s.tool == kind.tool).choice
    reader = kind(tmp_path, Case(), choice)
    site = Site(tmp_path, reader, Case())
    try:
        prepare(site)
        renamed_and_created(site)
        assert site.outcome() == (0, 0)
        site.written += 1
        assert site.outcome() == (1, 0)
        reader.stop()
    finally:
        reader.close()
        site.close()


def test_every_set_up_is_of_a_tool_that_there_is() -> None:
    """And keys of results are unique."""
    assert {kind.tool for kind in PEERS} | {page.OURS} == set(page.TOOLS)
    assert len({setup.key for setup in SETUPS}) == len(SETUPS)
    assert Setup("zqorv", "", "").key == "zqorv"
