"""Which category of which topic a query falls into."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from donkeywatch.counting.checkpoint_batch import TopicInfo
from donkeywatch.counting.observations import CategoryCodes
from donkeywatch.counting.sorting import run_starts
from donkeywatch.ingest.age_terms import AgeTerms
from donkeywatch.ingest.byte_columns import Mask, Offsets
from donkeywatch.ingest.extended.candidate_search import CandidateSearch, WideTexts
from donkeywatch.ingest.extended.evidence import all_series, shadow_info
from donkeywatch.ingest.extended.extended_detector import ExtendedDetector
from donkeywatch.ingest.lexicon_model import AGE, Ages, Lexicon, TopicRules
from donkeywatch.ingest.normalisation import TOKEN, fold, tokenise
from donkeywatch.ingest.word_search import create_matcher
from donkeywatch.settings.detection_settings import Profile
from donkeywatch.settings.schema import Matcher, Settings

DIGITS = "0123456789"
CACHE_SIZE = 4096
"""Combinations of groups whose code is remembered, at the most."""
TokenSet = frozenset[int]
"""Indices of the tokens that meet a part of a rule together."""


@dataclass(frozen=True, slots=True)
class _TopicMatcher:
    """One topic, its words folded: word -> groups, categories as alternatives of groups."""

    words: dict[str, frozenset[str]]
    ages: Ages | None
    suffixes: frozenset[str]
    categories: tuple[tuple[frozenset[str], ...], ...]
    cache: dict[tuple[object, object], int] = field(default_factory=dict)
    """Codes by what was met: the groups of the words, or where they and ages stand. No word."""

    def code(self, query: Sequence[str]) -> int:
        """Number of the first category that matches, from 1; 0 when none does."""
        words = self.words
        words_in_query = tuple([words[token] for token in query if token in words])
        # Nothing but a digit comes before the colon: tokens are letters and digits.
        if self.ages is not None and min(query, default=":") < ":":
            ages = tuple(self._ages(query, self.ages))
            if ages:
                places = tuple([(i, words[t]) for i, t in enumerate(query) if t in words])
                return self._cached((places, ages), query, ages)
        return self._cached((words_in_query, ()), query, ()) if words_in_query else 0

    def signature(self, query: Sequence[str]) -> tuple[frozenset[str], bool]:
        """All that matters of a word: its groups, and whether it is an age.

        It is the last one of ``query``, which holds besides no more than a number before it.
        """
        aged = self.ages is not None and any(self._ages(query, self.ages))
        return self.words.get(query[-1], frozenset()), aged

    def _cached(
        self, met: tuple[object, object], query: Sequence[str], ages: Sequence[TokenSet]
    ) -> int:
        code = self.cache.get(met)
        if code is None:
            if len(self.cache) >= CACHE_SIZE:
                self.cache.clear()
            code = self.cache[met] = self._decide(query, ages)
        return code

    def _decide(self, query: Sequence[str], ages: Sequence[TokenSet]) -> int:
        matched: dict[str, list[TokenSet]] = {AGE: list(ages)}
        for i, token in enumerate(query):
            for group in self.words.get(token, ()):
                matched.setdefault(group, []).append(frozenset((i,)))
        for number, parts in enumerate(self.categories, 1):
            if _disjointly_satisfiable(
                [[s for g in part for s in matched.get(g, ())] for part in parts]
            ):
                return number
        return 0

    def _ages(self, query: Sequence[str], ages: Ages) -> Iterable[TokenSet]:
        for i, token in enumerate(query):
            digits = token[: len(token) - len(token.lstrip(DIGITS))]
            if not 1 <= len(digits) <= 2 or not ages.minimum <= int(digits) <= ages.maximum:
                continue
            if token[len(digits) :] in self.suffixes:
                yield frozenset((i,))
            elif digits == token and i + 1 < len(query) and query[i + 1] in self.suffixes:
                yield frozenset((i, i + 1))


def _disjointly_satisfiable(parts: Sequence[Sequence[TokenSet]]) -> bool:
    """Tell whether every part can be met by tokens that no other part uses.

    The others use two tokens each at the most, and two tokens stand in five spans of a part
    at the most: a part with more spans than that is always met, however long the query.
    """
    choices = [list(dict.fromkeys(spans)) for spans in parts]
    always_satisfiable = 5 * len(parts)
    return _assign(
        sorted((c for c in choices if len(c) <= always_satisfiable), key=len), frozenset()
    )


def _assign(parts: Sequence[Sequence[TokenSet]], used: TokenSet) -> bool:
    if not parts:
        return True
    return any(_assign(parts[1:], used | span) for span in parts[0] if not used & span)


def _rules(topic: TopicRules) -> _TopicMatcher:
    words: dict[str, set[str]] = {}
    for group in topic.groups:
        for word in topic.whole_words(group):
            words.setdefault(tokenise(word)[0], set()).add(group)
    suffixes = topic.ages.suffixes if topic.ages else ()
    return _TopicMatcher(
        words={word: frozenset(groups) for word, groups in words.items()},
        ages=topic.ages,
        suffixes=frozenset(tokenise(suffix)[0] for suffix in suffixes),
        categories=tuple(
            tuple(frozenset(part.split("|")) for part in category.all)
            for category in topic.categories
        ),
    )


class Detector:
    """The loaded lexicon as a function of tokens, and of the words found in a text.

    ``topics`` are the series that a query has a code in: the topics of the lexicon, which the
    profile `paper` decides on, those of the profile `extended` where it is asked for, and then the
    series of ``shadow``, another list that is compared with the same queries.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        matcher: Matcher = "auto",
        profiles: Sequence[Profile] = ("paper",),
        shadow: Lexicon | None = None,
        *,
        is_shadow: bool = False,
    ) -> None:
        self.paper_topics = lexicon.public_topics()
        other = None if shadow is None else Detector(shadow, matcher, profiles, is_shadow=True)
        self.lists: tuple[Detector, ...] = (self,) if other is None else (self, other)
        """This list, and the one in its shadow."""
        self.extended: ExtendedDetector | None = None
        self.candidate_search: CandidateSearch | None = None
        if "extended" in profiles:
            self.extended = ExtendedDetector(lexicon, with_edits=is_shadow)
        shadows = () if other is None else tuple(map(shadow_info, other.topics))
        self.topics: tuple[TopicInfo, ...] = all_series(self.paper_topics, profiles) + shadows
        self._rules = [_rules(topic) for topic in lexicon.topics.values()]
        words = sorted({word for rules in self._rules for word in _search_terms(rules)})
        self.sieve = create_matcher(matcher, words)
        """Finds the words of the lexicon, and those of ages."""
        if self.extended is not None:
            self.candidate_search = CandidateSearch(lexicon, self.extended.terms, words, matcher)
        suffixes = sorted({suffix for rules in self._rules for suffix in rules.suffixes})
        ages = [rules.ages for rules in self._rules if rules.ages is not None]
        self._age_terms = AgeTerms(words, suffixes, ages)
        self.resolve_ages = self._age_terms.resolve
        unsure = [
            i < len(words) and words[i] in suffixes for i in range(len(self._age_terms.queries))
        ]
        marks = [
            None if is_undetermined else tuple(rules.signature(query) for rules in self._rules)
            for is_undetermined, query in zip(unsure, self._age_terms.queries, strict=True)
        ]
        kinds = {mark: kind for kind, mark in enumerate(dict.fromkeys(marks))}
        self._class_of_word = np.array([kinds[mark] for mark in marks], np.int64)
        self._undetermined = kinds.get(None, -1)
        self._none = (0,) * len(self.paper_topics)
        query_by_class = dict(
            zip(self._class_of_word.tolist(), self._age_terms.queries, strict=True)
        )
        codes = [self.classify(query) for _, query in sorted(query_by_class.items())]
        self._codes_by_class: CategoryCodes = (
            np.array(codes, np.uint8).reshape(-1, len(self.paper_topics)).T
        )
        self._codes_by_classes: dict[tuple[int, ...], tuple[int, ...] | None] = {}

    def classify(self, query: Sequence[str]) -> tuple[int, ...]:
        """Per topic the number of the category `paper` finds, from 1, or 0; the specification."""
        return tuple(rules.code(query) for rules in self._rules)

    def classify_text(self, text: str) -> tuple[int, ...] | None:
        """Per series the code of what was searched for; None where there is no word in it."""
        folded = fold(text)
        query = TOKEN.findall(folded)
        if not query:
            return None
        codes: tuple[int, ...] = ()
        for each in self.lists:
            paper = each.classify(query)
            codes += paper
            if each.extended is not None:
                codes += each.extended.classify(folded, query, paper)
        return codes

    def classify_texts(self, texts: Sequence[str]) -> list[tuple[int, ...] | None]:
        """The same for many texts, of which few are looked at closer."""
        folded = [fold(text) for text in texts]
        queries: list[list[str]] = [TOKEN.findall(text) for text in folded]
        by_list = [each._codes_of_texts(folded, queries) for each in self.lists]
        return [
            sum(codes, ()) if query else None
            for query, *codes in zip(queries, *by_list, strict=True)
        ]

    def _codes_of_texts(
        self, folded: Sequence[str], queries: Sequence[Sequence[str]]
    ) -> list[tuple[int, ...]]:
        """The codes of this list alone."""
        paper = [self.classify(query) if query else self._none for query in queries]
        if not paper or self.extended is None or self.candidate_search is None:
            return paper
        table = np.array(paper, np.uint8).T
        extended = self.extended.extend(table).T.tolist()
        codes = [(*plain, *more) for plain, more in zip(paper, extended, strict=True)]
        for i in self.candidate_search.wide_candidates(WideTexts.of(folded), table).tolist():
            codes[i] = paper[i] + self.extended.classify(folded[i], queries[i], paper[i])
        return codes

    def classify_hits(self, lines: Offsets, words: Offsets) -> tuple[Offsets, CategoryCodes, Mask]:
        """The lines in which words were found, their codes by topic, and which are sure.

        ``lines`` are in rising order. Where a word may be of an age and was not told apart, what
        stands between the words matters, too.
        """
        first = run_starts(lines)
        kinds = self._class_of_word[words]
        codes, sure = self._codes_by_class[:, kinds[first]], kinds[first] != self._undetermined
        last = np.append(first[1:], len(lines))
        several = np.flatnonzero(last - first > 1)
        if len(several):
            spans = zip(first[several].tolist(), last[several].tolist(), strict=True)
            each = kinds.tolist()
            codes_by_line = [
                self._classify_combination(tuple(each[low:high]), words[low:high])
                for low, high in spans
            ]
            sure[several] = [code is not None for code in codes_by_line]
            codes[:, several] = np.array([code or self._none for code in codes_by_line], np.uint8).T
        return lines[first], codes, sure

    def _classify_combination(
        self, kinds: tuple[int, ...], words: Offsets
    ) -> tuple[int, ...] | None:
        """The codes of some words in their order, remembered by all that matters of them."""
        if kinds not in self._codes_by_classes:
            if len(self._codes_by_classes) >= CACHE_SIZE:
                self._codes_by_classes.clear()
            query = [
                token for number in words.tolist() for token in self._age_terms.queries[number]
            ]
            self._codes_by_classes[kinds] = (
                None if self._undetermined in kinds else self.classify(query)
            )
        return self._codes_by_classes[kinds]


def create_detector(
    settings: Settings, lexicon: Lexicon, shadow: Lexicon | None = None
) -> Detector:
    """The detector that the settings describe, with the list in the shadow if there is one."""
    return Detector(lexicon, settings.ingest.matcher, settings.detection.profiles, shadow)


def _search_terms(rules: _TopicMatcher) -> Iterable[str]:
    yield from rules.words
    yield from rules.suffixes
    if rules.ages is not None:
        numbers = range(rules.ages.minimum, rules.ages.maximum + 1)
        for number, suffix in product(numbers, rules.suffixes):
            yield f"{number}{suffix}"
            yield f"{number:02d}{suffix}"
