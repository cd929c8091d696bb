"""Recall and precision of both profiles on 200,000 generated queries: `make bench-detection`.

With `--write` it replaces the table in docs/evaluation.md, between its two marks.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from detection.corpus import Corpus
from detection.score import Score, Scores, score

DOCUMENT = Path(__file__).parents[2] / "docs" / "evaluation.md"
MARKS = "<!-- detection: made by `make bench-detection` -->", "<!-- end of detection -->"
HEADING = (
    "| | relevant | recall of `paper` | of `extended` | precision of `paper` | of `extended` |\n"
    "|---|---|---|---|---|---|"
)


def main() -> None:
    """Score a corpus and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    scores = score(Corpus(options.seed), options.queries)
    table = "\n".join(render(scores, options.seed))
    print(table)
    if options.write:
        begin, end = MARKS
        text = DOCUMENT.read_text("utf-8")
        pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
        DOCUMENT.write_text(pattern.sub(f"{begin}\n{table}\n{end}", text), "utf-8")


def render(scores: Scores, seed: int) -> Iterator[str]:
    """The table in Markdown: all queries, by kind of disguise, by script."""
    whole = scores.whole
    yield (
        f"Seed {seed}, {whole.relevant + whole.others:,} queries, {whole.others:,} of them"
        f" irrelevant. `paper` differs from its independent reference in {scores.differences}."
    )
    yield ""
    yield HEADING
    yield _row("all", whole)
    groups: tuple[Mapping[str, Score], ...] = (scores.kinds, scores.scripts)
    for group in groups:
        for name, part in group.items():
            if part.relevant:
                yield _row(name, part)


def _row(name: str, part: Score) -> str:
    figures = [
        _percent(figure)
        for figure in (
            part.recall("paper"), part.recall("extended"),
            part.precision("paper"), part.precision("extended"),
        )
    ]  # fmt: skip
    return f"| {name} | {part.relevant:,} | {' | '.join(figures)} |"


def _percent(figure: float) -> str:
    """Per cent with two decimals, never rounded up to 100; nothing where there is none."""
    return "" if figure != figure else f"{int(figure * 10_000) / 100:.2f} %"


if __name__ == "__main__":
    main()
