"""The profile `extended` as a function of a query: the specification, one query at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from donkeywatch.counting.observations import CategoryCodes
from donkeywatch.ingest.extended.age_search import AgeSearch, Word, find_words
from donkeywatch.ingest.extended.category_rules import CategoryRules, GroupMatch
from donkeywatch.ingest.extended.evidence import AGE, codes_of_exact
from donkeywatch.ingest.extended.letter_classes import fold_word
from donkeywatch.ingest.extended.near_matches import NearMatches
from donkeywatch.ingest.extended.search_patterns import PatternCheck, search_patterns
from donkeywatch.ingest.extended.search_stream import SearchStream
from donkeywatch.ingest.extended.term_search import TermMatch, TermSearch
from donkeywatch.ingest.extended.terms import lexicon_terms
from donkeywatch.ingest.lexicon_model import AGE as AGE_GROUP
from donkeywatch.ingest.lexicon_model import Lexicon, TopicRules


class _Topic:
    """One topic of the word list."""

    def __init__(self, topic: TopicRules) -> None:
        self.rules = CategoryRules(topic)
        self.ages = AgeSearch(topic.ages) if topic.ages is not None else None
        self.codes_of_exact = codes_of_exact(len(topic.categories))
        self.ignored_words = _exception_words(topic, "word")
        self.ignored_queries = _exception_words(topic, "query")

    def exempts(self, words: Sequence[Word]) -> bool:
        """Tell whether a query with these words is not flagged, whatever else is in it."""
        return bool(self.ignored_queries) and any(
            word.text in self.ignored_queries for word in words
        )


class ExtendedDetector:
    """What `extended` finds in a query beyond `paper`, whose codes it is given."""

    def __init__(self, lexicon: Lexicon, *, with_edits: bool = False) -> None:
        self._topics = [_Topic(topic) for topic in lexicon.topics.values()]
        self.terms = lexicon_terms(lexicon, with_edits=with_edits)
        self._search = TermSearch(self.terms)
        self._near = NearMatches(self.terms)
        self._patterns = PatternCheck(search_patterns(lexicon, self.terms))

    def extend(self, paper: CategoryCodes) -> CategoryCodes:
        """The codes of queries in which there is nothing but what `paper` has found."""
        rows = [
            np.array(topic.codes_of_exact, np.uint8)[row]
            for topic, row in zip(self._topics, paper, strict=True)
        ]
        return np.stack(rows)

    def classify(self, folded: str, tokens: Sequence[str], paper: Sequence[int]) -> tuple[int, ...]:
        """Per topic the packed number of category and level, or 0.

        A text without any pattern of the list, as most are, is not looked at closer.
        ``folded`` is what was searched for, folded, ``tokens`` are its words and ``paper`` its
        codes by the profile `paper`. What `paper` finds is exact, and stays, exceptions apart.
        """
        if not self._patterns.may_occur(folded):
            return tuple(
                topic.codes_of_exact[code] for topic, code in zip(self._topics, paper, strict=True)
            )
        stream = SearchStream.of(folded)
        words = find_words(stream.folded)
        matches = self._search.matches(stream, [word[:2] for word in words], frozenset(tokens))
        matches += self._near.matches(words)
        return tuple(
            self._code(number, code, stream, words, matches) for number, code in enumerate(paper)
        )

    def _code(
        self,
        number: int,
        paper: int,
        stream: SearchStream,
        words: Sequence[Word],
        matches: Sequence[TermMatch],
    ) -> int:
        topic = self._topics[number]
        if topic.exempts(words):
            return 0
        ignored = [word for word in words if word.text in topic.ignored_words]
        if paper and not ignored:
            return topic.codes_of_exact[paper]
        met = [
            GroupMatch(match.level, match.start, match.end, match.term.group)
            for match in matches
            if match.term.topic == number and not _overlaps(match, ignored)
        ]
        if topic.ages is not None:
            met += [
                GroupMatch(AGE, start, end, AGE_GROUP)
                for start, end in topic.ages.spans(stream.folded, words)
            ]
        return topic.rules.code(met) if met else 0


def _overlaps(match: TermMatch, words: Sequence[Word]) -> bool:
    return any(match.start < word.end and word.start < match.end for word in words)


def _exception_words(topic: TopicRules, scope: str) -> frozenset[str]:
    return frozenset(
        fold_word(word)
        for exception in topic.exceptions
        if exception.scope == scope
        for word in exception.words
    )
