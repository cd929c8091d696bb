"""What a review of a word list looks at: counts, overlaps and rules, never an entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from donkeywatch.ingest.extended.letter_classes import fold_word, search_pattern
from donkeywatch.ingest.lexicon_model import Category, Entry, Lexicon, TopicRules
from donkeywatch.ingest.normalisation import tokenise


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """Entries of one group by language and by where they may stand."""

    group: str
    entries: int
    languages: dict[str, int]
    matches: dict[str, int]


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """How many entries of a group came, went and stayed."""

    topic: str
    group: str
    added: int
    removed: int
    kept: int


def count_groups(topic: TopicRules) -> list[GroupCounts]:
    """The groups of a topic, in the order of the list."""
    return [
        GroupCounts(
            group,
            len(entries),
            dict(sorted(Counter(entry.language for entry in entries).items())),
            dict(sorted(Counter(entry.match for entry in entries).items())),
        )
        for group in topic.groups
        for entries in [topic.entries(group)]
    ]


def find_remarks(lexicon: Lexicon) -> Iterator[str]:
    """List what may be a mistake in a sound list; places and counts alone."""
    for name, topic in lexicon.topics.items():
        for category, by in unreachable_categories(topic):
            yield f"{name}: category {category} is never given; every query of it is one of {by}"
        shared = Counter(
            word
            for group in topic.groups
            for word in {tuple(tokenise(entry.word)) for entry in topic.entries(group)}
        )
        if overlaps := sum(uses > 1 for uses in shared.values()):
            yield f"{name}: {_words(overlaps)} in more than one group"
        if alike := _alike(topic):
            yield f"{name}: {_words(alike)} with the same letter classes as another"
        if excepted := _excepted(topic):
            yield f"{name}: {_words(excepted)} that an exception names, which `extended` ignores"
        if unknown := _unknown_to_paper(topic):
            yield f"{name}: {_words(unknown, 'entries')} that only `extended` compares"


def unreachable_categories(topic: TopicRules) -> list[tuple[str, str]]:
    """Categories that no query is given, each with the one before it that takes its queries."""
    pairs = []
    for number, later in enumerate(topic.categories):
        for earlier in topic.categories[:number]:
            if _is_implied(earlier, later):
                pairs.append((later.id, earlier.id))
                break
    return pairs


def compare(old: Lexicon, new: Lexicon) -> list[GroupChanges]:
    """Count what changed between two lists, by topic and group; unchanged groups are left out."""
    changes = []
    for topic in dict.fromkeys((*old.topics, *new.topics)):
        before, after = _entries(old, topic), _entries(new, topic)
        for group in dict.fromkeys((*before, *after)):
            was, now = before.get(group, set()), after.get(group, set())
            if was != now:
                changes.append(
                    GroupChanges(topic, group, len(now - was), len(was - now), len(was & now))
                )
    return changes


def compare_rules(old: Lexicon, new: Lexicon) -> list[str]:
    """The parts of topics other than entries that differ, by name."""
    differences = []
    for name in dict.fromkeys((*old.topics, *new.topics)):
        before, after = old.topics.get(name), new.topics.get(name)
        if before is None or after is None:
            differences.append(f"{name}: {'new' if before is None else 'gone'}")
            continue
        differences += [
            f"{name}: {part} differ"
            for part in ("categories", "ages", "exceptions")
            if getattr(before, part) != getattr(after, part)
        ]
    return differences


def _entries(lexicon: Lexicon, topic: str) -> dict[str, set[tuple[Entry, tuple[str, ...]]]]:
    rules = lexicon.topics.get(topic)
    if rules is None:
        return {}
    return {
        group: {
            (entry.model_copy(update={"word": ""}), tuple(tokenise(entry.word)))
            for entry in rules.entries(group)
        }
        for group in rules.groups
    }


def _is_implied(earlier: Category, later: Category) -> bool:
    """Tell whether whatever meets ``later`` meets ``earlier``, part by part."""
    parts: Sequence[set[str]] = [set(part.split("|")) for part in later.all]
    wanted = [set(part.split("|")) for part in earlier.all]
    return any(
        all(has <= may for has, may in zip(chosen, wanted, strict=True))
        for chosen in permutations(parts, len(wanted))
    )


def _alike(topic: TopicRules) -> int:
    """Entries that differ as words, and look the same to `extended`."""
    words: dict[str, set[str]] = {}
    for group in topic.groups:
        for entry in topic.entries(group):
            word = fold_word(entry.word)
            words.setdefault(search_pattern(word), set()).add(word)
    return sum(len(alike) for alike in words.values() if len(alike) > 1)


def _excepted(topic: TopicRules) -> int:
    ignored = {fold_word(word) for exception in topic.exceptions for word in exception.words}
    entries = (entry for group in topic.groups for entry in topic.entries(group))
    return sum(fold_word(entry.word) in ignored for entry in entries)


def _unknown_to_paper(topic: TopicRules) -> int:
    return sum(entry.match != "word" for group in topic.groups for entry in topic.entries(group))


def _words(count: int, noun: str = "words") -> str:
    return f"one {'entry' if noun == 'entries' else 'word'}" if count == 1 else f"{count} {noun}"
