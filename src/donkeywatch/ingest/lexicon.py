"""The operator's confidential word list: read, checked, never shown."""

from __future__ import annotations

import difflib
import hmac
import tomllib
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from donkeywatch.counting.batch import TopicInfo
from donkeywatch.counting.calendar import to_ms
from donkeywatch.errors import ConfigError
from donkeywatch.ingest import private_file_reader
from donkeywatch.ingest.normalisation import tokenise

NOTICE_DAYS = 30
"""How long before its end it is told that a list expires."""
AGE = "age"
"""Name of the group that ``ages`` defines."""
ID_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Ages(_Strict):
    """Ages that count with a suffix: ``minimum`` to ``maximum`` years."""

    minimum: int = Field(ge=0, le=99)
    maximum: int = Field(ge=0, le=99)
    suffixes: tuple[str, ...] = Field(min_length=1)


class Category(_Strict):
    """A rule: every part must be met by a token of its own; ``a|b`` is met by either group."""

    id: str = Field(pattern=ID_PATTERN)
    all: tuple[str, ...] = Field(min_length=1, max_length=5)


class TopicRules(_Strict):
    """One topic: groups of words, ages, and categories in order of priority."""

    groups: dict[str, tuple[str, ...]]
    ages: Ages | None = None
    categories: tuple[Category, ...] = Field(min_length=1, max_length=255)


class Lexicon(_Strict):
    """The whole list; ``expires`` is the last day (UTC) on which it may be used."""

    title: str = ""
    expires: date | None = None
    topics: dict[str, TopicRules] = Field(min_length=1, max_length=8)

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


def load(path: Path, now: datetime | None = None, *, allow_expired: bool = False) -> Lexicon:
    """Read and check a lexicon file; ConfigError tells place and remedy, never an entry.

    One that has expired is refused unless ``allow_expired``: what was counted may be looked at.
    """
    text = _text(path)
    try:
        lexicon = Lexicon.model_validate(tomllib.loads(text))
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
        suggestions = difflib.get_close_matches(str(first["loc"][-1]), SCHEMA_KEYS, 1)
        if first["type"] == "extra_forbidden" and suggestions:
            first["msg"] = f"not a name of the form; did you mean `{suggestions[0]}`?"
        raise ConfigError(
            f"lexicon {path}: {_redacted_location(first['loc'])}: {first['msg']}",
            "see docs/lexicon.md for the form of the file",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"lexicon {path}: not valid TOML near line {_line(error)}",
            "mend the syntax there; words stand in double quotes",
        ) from None
    today = (now or datetime.now(UTC)).date()
    if lexicon.expires is not None and today > lexicon.expires and not allow_expired:
        raise ConfigError(
            f"lexicon {path}: expired on {lexicon.expires}",
            "have it reviewed, set a new `expires` date in it, and start donkeywatch again",
        )
    for name, topic in lexicon.topics.items():
        _check_topic(path, name, topic)
    return lexicon


def digest(lexicon: Lexicon, key: bytes) -> str:
    """Keyed digest of the content; a bare hash would confirm a stolen list."""
    return hmac.new(key, lexicon.model_dump_json().encode(), sha256).hexdigest()[:16]


def _text(path: Path) -> str:
    try:
        return private_file_reader.read_private_file(path, f"lexicon {path}").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"lexicon {path}: not UTF-8 at byte {error.start}", "save the file as UTF-8"
        ) from None


def _line(error: Exception) -> str:
    """The line number out of a decode error, whose whole text might hold an entry."""
    _, _, rest = str(error).rpartition("(at line ")
    return rest.partition(",")[0] if rest[:1].isdigit() else "its end"


def _redacted_location(location: tuple[int | str, ...]) -> str:
    """Where in the file: by numbers, names of ours and topics.

    Any other name might be an entry that stands in the wrong place.
    """
    shown = []
    for i, part in enumerate(location):
        named = i > 0 and location[i - 1] == "topics" and _is_id(str(part))
        if isinstance(part, int):
            shown.append(str(part + 1))
        else:
            shown.append(part if part in SCHEMA_KEYS or named else "*")
    return ".".join(shown)


SCHEMA_KEYS = {
    name for model in (Lexicon, TopicRules, Ages, Category) for name in model.model_fields
}


def _check_topic(path: Path, name: str, topic: TopicRules) -> None:
    where = f"lexicon {path}: topics.{name}"
    if not _is_id(name):
        raise ConfigError(f"{where}: not a valid id", "use lower-case letters, digits and _")
    if AGE in topic.groups:
        raise ConfigError(f"{where}: `age` cannot be a group", "define it under `ages`")
    lists = dict(topic.groups)
    if topic.ages is not None:
        lists["ages.suffixes"] = topic.ages.suffixes
        if topic.ages.minimum > topic.ages.maximum:
            raise ConfigError(f"{where}.ages: minimum exceeds maximum", "swap them")
    for group, words in lists.items():
        _check_words(f"{where}.{group}", words)
    known = set(topic.groups) | ({AGE} if topic.ages else set())
    ids = [category.id for category in topic.categories]
    if len(set(ids)) < len(ids):
        raise ConfigError(f"{where}: two categories have the same id", "rename one of them")
    for category in topic.categories:
        parts = {group for part in category.all for group in part.split("|")}
        if parts - known:
            raise ConfigError(
                f"{where}: category {category.id} names a group that is not defined",
                f"define it or use one of: {', '.join(sorted(known))}",
            )


def _is_id(name: str) -> bool:
    return name.isascii() and name.islower() and name.replace("_", "a").isalnum()


def _check_words(where: str, words: tuple[str, ...]) -> None:
    if not words:
        raise ConfigError(f"{where}: no entries", "add words, or remove the group and its rules")
    first_use: dict[str, int] = {}
    for number, word in enumerate(words, 1):
        tokens = tokenise(word)
        if not tokens:
            raise ConfigError(
                f"{where}, entry {number}: empty", "remove the entry or write letters into it"
            )
        if len(tokens) > 1:
            raise ConfigError(
                f"{where}, entry {number}: more than one word",
                "the profile `paper` compares single words; make it a category of two groups",
            )
        if len(tokens[0]) == 1:
            raise ConfigError(
                f"{where}, entry {number}: a single letter",
                "one letter matches too much; remove it",
            )
        if tokens[0] in first_use:
            raise ConfigError(
                f"{where}, entry {number}: the same word as entry {first_use[tokens[0]]} once"
                " folded",
                "remove one of the two",
            )
        first_use[tokens[0]] = number
