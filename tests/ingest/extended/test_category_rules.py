"""Categories are decided as by trying every choice of places."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.ingest.extended.category_rules import CategoryRules, GroupMatch
from donkeywatch.ingest.extended.evidence import LEVELS
from donkeywatch.ingest.lexicon_model import TopicRules

TOPIC = TopicRules.model_validate(
    {
        "groups": {"a": ["zq"], "b": ["xk"], "c": ["qv"]},
        "categories": [
            {"id": "three", "all": ["a", "b|c", "c"]},
            {"id": "two", "all": ["a", "b"]},
            {"id": "single", "all": ["c"]},
        ],
    }
)
matches = st.lists(
    st.builds(
        lambda level, start, size, group: GroupMatch(level, start, start + size, group),
        st.integers(0, 3),
        st.integers(0, 5),
        st.integers(1, 3),
        st.sampled_from("abc"),
    ),
    max_size=7,
)


def brute_force(matched: list[GroupMatch]) -> int:
    """The first category at the lowest level for which there are places apart."""
    for level in range(len(LEVELS)):
        for number, category in enumerate(TOPIC.categories, 1):
            choices = [
                [m for m in matched if m.level <= level and m.group in part.split("|")]
                for part in category.all
            ]
            for choice in product(*choices):
                letters = [at for match in choice for at in range(match.start, match.end)]
                if len(letters) == len(set(letters)):
                    return (number - 1) * len(LEVELS) + level + 1
    return 0


@given(matches)
def test_categories_are_those_of_brute_force(matched: list[GroupMatch]) -> None:
    """At the plainest level, then in the order of the list."""
    assert CategoryRules(TOPIC).code(matched) == brute_force(matched)
