"""How plainly a query shows what it is flagged for: the levels of evidence, and their codes."""

from __future__ import annotations

from collections.abc import Sequence

from donkeywatch.counting.checkpoint_batch import TopicInfo
from donkeywatch.errors import ConfigError

PROFILE, SHADOW = "extended", "shadow"
EXTENDED_RULES = "extended-1"
"""Version of the rules of this package; a change of it is a break in its series."""
LEVELS = (
    "exact",
    "folded",
    "confusable",
    "squeezed",
    "joined",
    "border",
    "age",
    "phrase",
    "affix",
    "transliterated",
    "edited",
)
"""Levels of evidence, the strongest first: `exact` is what `paper` finds, too, `edited` is the
likeliest to err; see docs/lexicon.md."""
(
    EXACT, FOLDED, CONFUSABLE, SQUEEZED, JOINED, BORDER, AGE, PHRASE, AFFIX, TRANSLITERATED, EDITED,
) = range(len(LEVELS))  # fmt: skip
MAX_CATEGORIES = 255 // len(LEVELS)
"""Categories that a topic may have, since a category and a level are one number of a byte."""


def series_name(topic: str) -> str:
    """Name of a topic's series by this profile: no topic has a full stop in its own name."""
    return f"{topic}.{PROFILE}"


def base_topic(series: str) -> str:
    """The topic of the word list that a series is of."""
    return series.partition(".")[0]


def all_series(topics: Sequence[TopicInfo], profiles: Sequence[str]) -> tuple[TopicInfo, ...]:
    """The series of some topics: their own, by `paper`, and then those of `extended` if asked."""
    return (*topics, *(map(series_info, topics) if PROFILE in profiles else ()))


def shadow_info(series: TopicInfo) -> TopicInfo:
    """The series of the list in the shadow that is compared with a series."""
    return TopicInfo(shadow_name(series.id), series.categories)


def shadow_name(series: str) -> str:
    """Its name: `topic.shadow` for `topic`, `topic.shadow.extended` for `topic.extended`."""
    topic, _, profile = series.partition(".")
    return ".".join(part for part in (topic, SHADOW, profile) if part)


def series_info(topic: TopicInfo) -> TopicInfo:
    """The series of a topic, with a category for each level of evidence of each of its own.

    ConfigError where there are more than fit.
    """
    if len(topic.categories) > MAX_CATEGORIES:
        raise ConfigError(
            f"topic {topic.id}: more than {MAX_CATEGORIES} categories",
            "put some together, or leave `extended` out of `profiles` in [detection]",
        )
    categories = (f"{category}.{level}" for category in topic.categories for level in LEVELS)
    return TopicInfo(series_name(topic.id), tuple(categories))


def pack_code(category: int, level: int) -> int:
    """The number, from 1, of a category (from 1) at a level of evidence."""
    return (category - 1) * len(LEVELS) + level + 1


def codes_of_exact(categories: int) -> Sequence[int]:
    """The numbers of what `paper` finds, by the number that `paper` gives it; 0 stays 0."""
    return [0, *(pack_code(category, EXACT) for category in range(1, categories + 1))]
