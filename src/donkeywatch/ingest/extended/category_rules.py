"""The categories of one topic, decided by what was found in a query and how plainly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from donkeywatch.ingest.extended.evidence import pack_code
from donkeywatch.ingest.lexicon_model import TopicRules

MAX_SPANS_PER_PART = 24
"""Places that are tried for one part of a rule: the plainest first, then those in front."""


class GroupMatch(NamedTuple):
    """A place of a query that meets a group, with its level of evidence."""

    level: int
    start: int
    end: int
    group: str


class CategoryRules:
    """The categories in order of priority, each with the groups that meet each of its parts."""

    def __init__(self, topic: TopicRules) -> None:
        self._categories = [
            [frozenset(part.split("|")) for part in category.all] for category in topic.categories
        ]

    def code(self, matches: Iterable[GroupMatch]) -> int:
        """The packed number of the first category at the plainest level; 0 when none is met."""
        by_level = sorted(set(matches))
        for level in sorted({match.level for match in by_level}):
            by_group: dict[str, list[GroupMatch]] = defaultdict(list)
            for match in by_level:
                if match.level <= level:
                    by_group[match.group].append(match)
            for number, parts in enumerate(self._categories, 1):
                if _is_met(parts, by_group):
                    return pack_code(number, level)
        return 0


def _is_met(parts: Sequence[frozenset[str]], by_group: Mapping[str, Sequence[GroupMatch]]) -> bool:
    """Tell whether every part can be met at places of which no two overlap."""
    choices = []
    for part in parts:
        places = sorted({match[:3] for group in part for match in by_group.get(group, ())})
        if not places:
            return False
        choices.append([(start, end) for _, start, end in places[:MAX_SPANS_PER_PART]])
    return _assign(sorted(choices, key=len), ())


def _assign(
    choices: Sequence[Sequence[tuple[int, int]]], used: tuple[tuple[int, int], ...]
) -> bool:
    if not choices:
        return True
    return any(
        _assign(choices[1:], (*used, span))
        for span in choices[0]
        if all(span[1] <= start or end <= span[0] for start, end in used)
    )
