"""Scores of both profiles on a corpus, by kind of disguise and by script."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from detection.corpus import Corpus, Query
from detection.reference import PaperReference
from donkeywatch.ingest import lexicon_file
from donkeywatch.ingest.detector import Detector


@dataclass
class Score:
    """Queries of one kind or script: relevant ones, and those that each profile flags."""

    relevant: int = 0
    others: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    false_alarms: Counter[str] = field(default_factory=Counter)

    def recall(self, profile: str) -> float:
        """Share of the relevant queries that a profile flags."""
        return self.hits[profile] / self.relevant if self.relevant else float("nan")

    def precision(self, profile: str) -> float:
        """Share of the flagged queries that are relevant."""
        flagged = self.hits[profile] + self.false_alarms[profile]
        return self.hits[profile] / flagged if flagged else float("nan")


@dataclass
class Scores:
    """All queries, by kind and by script; and in how many `paper` differs from its reference."""

    whole: Score = field(default_factory=Score)
    kinds: dict[str, Score] = field(default_factory=dict)
    scripts: dict[str, Score] = field(default_factory=dict)
    differences: int = 0
    wrong: list[Query] = field(default_factory=list)


def create_detector(toml: str) -> Detector:
    """The detector of a word list that is TOML, with both profiles."""
    lexicon, faults = lexicon_file.parse(toml.encode(), "the corpus")
    if lexicon is None or faults:
        raise faults[0]
    return Detector(lexicon, profiles=("paper", "extended"))


def score(corpus: Corpus, count: int) -> Scores:
    """Give so many queries of a corpus to both profiles and to the reference."""
    detector, reference = create_detector(corpus.lexicon()), PaperReference(corpus.lexicon())
    scores = Scores()
    queries = list(corpus.queries(count))
    for query, codes in zip(
        queries, detector.classify_texts([query.text for query in queries]), strict=True
    ):
        paper, extended = codes or (0, 0)
        scores.differences += paper != reference.category(query.text)
        if bool(extended) != query.relevant:
            scores.wrong.append(query)
        for group in (
            scores.whole,
            scores.kinds.setdefault(query.kind, Score()),
            scores.scripts.setdefault(query.script, Score()),
        ):
            group.relevant += query.relevant
            group.others += not query.relevant
            for profile, code in (("paper", paper), ("extended", extended)):
                if code:
                    (group.hits if query.relevant else group.false_alarms)[profile] += 1
    return scores
