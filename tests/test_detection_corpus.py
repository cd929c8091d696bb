"""Both profiles on a generated corpus: bars of recall and precision, and `paper` exactly."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from detection.corpus import KINDS, Corpus
from detection.score import Scores, score
from detection.scripts import SCRIPTS

QUERIES = 24_000
MIN_RECALL, MIN_PRECISION = 0.97, 0.995
MIN_RECALL_OF_A_KIND = 0.97


@pytest.fixture(scope="module")
def scores() -> Scores:
    """The scores of a seed that no other run uses."""
    return score(Corpus(7), QUERIES)


def test_paper_equals_its_reference_on_every_query(scores: Scores) -> None:
    """The reference is written from the description, and shares nothing with the detector."""
    assert scores.differences == 0
    assert scores.whole.relevant + scores.whole.others == QUERIES


def test_extended_finds_what_is_disguised(scores: Scores) -> None:
    """In all, by kind of disguise and by script."""
    assert scores.whole.recall("extended") >= MIN_RECALL
    assert scores.whole.precision("extended") >= MIN_PRECISION
    assert scores.whole.recall("paper") < scores.whole.recall("extended") - 0.5
    for name, group in (scores.kinds | scores.scripts).items():
        if group.relevant:
            assert group.recall("extended") >= MIN_RECALL_OF_A_KIND, name


def test_every_kind_and_script_is_there(scores: Scores) -> None:
    """Fifteen kinds and twelve scripts at the least."""
    assert set(KINDS) <= set(scores.kinds)
    assert len(KINDS) >= 15
    assert len(SCRIPTS) == len(scores.scripts) == 12
    assert all(scores.kinds[kind].relevant >= 30 for kind in KINDS)
