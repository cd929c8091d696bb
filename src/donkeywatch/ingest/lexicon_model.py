"""The operator's confidential word list: its form, and what of it may be shown."""

from __future__ import annotations

import hmac
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from donkeywatch.counting.calendar import to_ms
from donkeywatch.counting.checkpoint_batch import TopicInfo

NOTICE_DAYS = 30
"""How long before its end a warning says that a list expires."""
MADE_UP_TITLE = "made-up words: replace them"
"""Title of the word list that `lexicon init` writes."""
MADE_UP = (
    "the word list has made-up words: what it flags means nothing, but for the topic to compare"
    " with -> put yours into it, and give it another title"
)
AGE = "age"
"""Name of the group that ``ages`` defines."""
ID_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _WithOptionalParts(_Strict):
    """Parts that came later and are not used leave no trace in the digest of a list."""

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = serialise(self)
        return {name: part for name, part in content.items() if part or name not in LATER_PARTS}


LATER_PARTS = {"prefixes", "number_words", "exclude", "exceptions", "edit_distance"}


class Entry(_WithOptionalParts):
    """An entry with more to it than a word; `paper` compares those that match whole words.

    ``match`` says where it may stand: as a whole word, as words one behind the other, at the
    beginning of a word, or anywhere in one, for scripts that put no spaces between words.
    """

    word: str
    match: Literal["word", "phrase", "prefix", "substring"] = "word"
    language: str = Field("und", pattern=r"^[a-z]{2,3}$")
    edit_distance: Literal[0, 1] = 0
    """1: words that differ by one letter, too; in the shadow only, for entries of 7 letters."""


class Ages(_WithOptionalParts):
    """Ages that count with a suffix: ``minimum`` to ``maximum`` years.

    All but the suffixes is for the profile `extended`: words before a number, words for numbers,
    and words beside which a number is no age.
    """

    minimum: int = Field(ge=0, le=99)
    maximum: int = Field(ge=0, le=99)
    suffixes: tuple[str, ...] = Field(min_length=1)
    prefixes: tuple[str, ...] = ()
    number_words: dict[str, int] = Field(default_factory=dict)
    exclude: tuple[str, ...] = ()


class LexiconException(_Strict):
    """Words of ordinary searches that `extended` is not to take for entries.

    In scope `word` nothing is found in such a word; a query with one is not flagged for the topic
    in scope `query`. The reason is for those who review the list.
    """

    words: tuple[str, ...] = Field(min_length=1)
    scope: Literal["word", "query"] = "word"
    reason: str = Field(min_length=1, max_length=200)


class Category(_Strict):
    """A rule: every part must be met by a token of its own; ``a|b`` is met by either group."""

    id: str = Field(pattern=ID_PATTERN)
    all: tuple[str, ...] = Field(min_length=1, max_length=5)


class TopicRules(_WithOptionalParts):
    """One topic: groups of words, ages, exceptions, and categories in order of priority."""

    groups: dict[str, tuple[str | Entry, ...]]
    ages: Ages | None = None
    categories: tuple[Category, ...] = Field(min_length=1, max_length=255)
    exceptions: tuple[LexiconException, ...] = ()

    def entries(self, group: str) -> tuple[Entry, ...]:
        """Entries of a group, those that are written as a word alone among them."""
        return tuple(
            Entry(word=entry) if isinstance(entry, str) else entry for entry in self.groups[group]
        )

    def whole_words(self, group: str) -> tuple[str, ...]:
        """Entries of a group that are compared with whole words."""
        return tuple(entry.word for entry in self.entries(group) if entry.match == "word")


class Lexicon(_Strict):
    """The whole list; ``expires`` is the last day (UTC) on which it may be used."""

    title: str = ""
    expires: date | None = None
    topics: dict[str, TopicRules] = Field(min_length=1, max_length=8)

    def unused_groups(self) -> list[str]:
        """Names of the groups that no category asks for, as `topic.group`."""
        return [
            f"{name}.{group}"
            for name, topic in self.topics.items()
            for group in topic.groups
            if not any(group in part.split("|") for c in topic.categories for part in c.all)
        ]

    def public_topics(self) -> tuple[TopicInfo, ...]:
        """Topic and category ids, all of the lexicon that may be shown."""
        return tuple(
            TopicInfo(name, tuple(category.id for category in topic.categories))
            for name, topic in self.topics.items()
        )

    @property
    def end(self) -> int | None:
        """When it may not be used any more: the end of its last day, ms UTC."""
        if self.expires is None or self.expires == date.max:
            return None
        day = self.expires + timedelta(days=1)
        return to_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))

    def notices(self, now: datetime) -> tuple[str, ...]:
        """Give the notice of a list that has expired, or will within 30 days; else nothing."""
        made_up = (MADE_UP,) if self.title == MADE_UP_TITLE else ()
        return made_up + self._expiry_notices(now)

    def _expiry_notices(self, now: datetime) -> tuple[str, ...]:
        if self.expires is None:
            return ()
        days = (self.expires - now.date()).days
        if days > NOTICE_DAYS:
            return ()
        remedy = "have it reviewed, set a new `expires` date in it, and reload"
        if days < 0:
            notice = f"expired on {self.expires}; it is used until the next start, which refuses it"
        else:
            notice = f"expires at the end of {self.expires}, after which no start takes it"
        return (f"the word list {notice} -> {remedy}",)


def digest(lexicon: Lexicon, key: bytes) -> str:
    """Keyed digest of the content; a bare hash would confirm a stolen list."""
    return hmac.new(key, lexicon.model_dump_json().encode(), sha256).hexdigest()[:16]
