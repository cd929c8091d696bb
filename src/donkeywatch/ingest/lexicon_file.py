"""Reading a word list: every fault is reported by its place, and never by an entry."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from donkeywatch.counting.checkpoint_batch import TopicInfo
from donkeywatch.errors import ConfigError
from donkeywatch.ingest import lexicon_from_command
from donkeywatch.ingest.extended.evidence import all_series, shadow_info
from donkeywatch.ingest.extended.terms import MIN_EDITED_LETTERS, is_editable, is_long_enough
from donkeywatch.ingest.lexicon_model import (
    AGE,
    Ages,
    Category,
    Entry,
    Lexicon,
    LexiconException,
    TopicRules,
)
from donkeywatch.ingest.normalisation import tokenise
from donkeywatch.settings import private_files
from donkeywatch.settings.schema import Settings


def load(path: Path, now: datetime | None = None, *, allow_expired: bool = False) -> Lexicon:
    """Read and check a lexicon file; ConfigError tells the first fault and its remedy.

    One that has expired is refused unless ``allow_expired``: what was counted may be looked at.
    """
    return _without_faults(*read(path, now, allow_expired=allow_expired))


def load_configured(
    settings: Settings, now: datetime | None = None, *, allow_expired: bool = False
) -> Lexicon:
    """Read and check the lexicon of the settings, a file or what a command writes; as `load`."""
    if settings.lexicon is not None:
        return load(settings.lexicon, now, allow_expired=allow_expired)
    data, name = (
        lexicon_from_command.command_output(settings.lexicon_command),
        lexicon_from_command.NAME,
    )
    return _without_faults(*parse(data, name, now, allow_expired=allow_expired))


def configured_series(settings: Settings, lexicon: Lexicon) -> tuple[TopicInfo, ...]:
    """The series of the settings: those of the lexicon, and of the list in the shadow."""
    series = all_series(lexicon.public_topics(), settings.detection.profiles)
    if settings.detection.shadow_lexicon is None:
        return series
    shadow = load(settings.detection.shadow_lexicon, allow_expired=True)
    shadows = all_series(shadow.public_topics(), settings.detection.profiles)
    return series + tuple(map(shadow_info, shadows))


def read(
    path: Path, now: datetime | None = None, *, allow_expired: bool = False
) -> tuple[Lexicon | None, list[ConfigError]]:
    """Read a lexicon file and find all its faults; no lexicon where its form is wrong.

    ConfigError where there is nothing to look for faults in.
    """
    name = f"lexicon {path}"
    data = private_files.read_private_file(path, name)
    return parse(data, name, now, allow_expired=allow_expired)


def _without_faults(lexicon: Lexicon | None, faults: list[ConfigError]) -> Lexicon:
    if faults or lexicon is None:
        raise faults[0]
    return lexicon


def parse(
    data: bytes, source: str, now: datetime | None = None, *, allow_expired: bool = False
) -> tuple[Lexicon | None, list[ConfigError]]:
    """The same for the text of a file, which messages call ``source``."""
    try:
        lexicon = Lexicon.model_validate(tomllib.loads(data.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{source}: not UTF-8 at byte {error.start}", "save the file as UTF-8"
        ) from None
    except ValidationError as error:
        return None, list(_form_faults(source, error))
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{source}: not valid TOML near line {_line(error)}",
            "mend the syntax there; words stand in double quotes",
        ) from None
    faults = []
    today = (now or datetime.now(UTC)).date()
    if lexicon.expires is not None and today > lexicon.expires and not allow_expired:
        faults.append(
            ConfigError(
                f"{source}: expired on {lexicon.expires}",
                "have it reviewed, set a new `expires` date in it, and start donkeywatch again",
            )
        )
    for name, topic in lexicon.topics.items():
        faults += _topic_faults(source, name, topic)
    return lexicon, faults


def _form_faults(source: str, error: ValidationError) -> Iterator[ConfigError]:
    for detail in error.errors(include_input=False, include_context=False):
        message = detail["msg"]
        close = difflib.get_close_matches(str(detail["loc"][-1]), SCHEMA_KEYS, 1)
        if detail["type"] == "extra_forbidden" and close:
            message = f"not a name of the form; did you mean `{close[0]}`?"
        yield ConfigError(
            f"{source}: {_redacted_location(detail['loc'])}: {message}",
            "see docs/lexicon.md for the form of the file",
        )


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
    name
    for model in (Lexicon, TopicRules, Ages, Category, Entry, LexiconException)
    for name in model.model_fields
}


def _topic_faults(source: str, name: str, topic: TopicRules) -> Iterator[ConfigError]:
    where = f"{source}: topics.{name}"
    if not _is_id(name):
        yield ConfigError(f"{where}: not a valid id", "use lower-case letters, digits and _")
    if AGE in topic.groups:
        yield ConfigError(f"{where}: `age` cannot be a group", "define it under `ages`")
    lists = {group: topic.entries(group) for group in topic.groups}
    if topic.ages is not None:
        lists["ages.suffixes"] = tuple(Entry(word=suffix) for suffix in topic.ages.suffixes)
        if topic.ages.minimum > topic.ages.maximum:
            yield ConfigError(f"{where}.ages: minimum exceeds maximum", "swap them")
    for group, entries in lists.items():
        yield from _entry_faults(f"{where}.{group}", entries)
    yield from _short_word_faults(where, topic)
    known = set(topic.groups) | ({AGE} if topic.ages else set())
    ids = [category.id for category in topic.categories]
    if len(set(ids)) < len(ids):
        yield ConfigError(f"{where}: two categories have the same id", "rename one of them")
    for category in topic.categories:
        parts = {group for part in category.all for group in part.split("|")}
        if parts - known:
            yield ConfigError(
                f"{where}: category {category.id} names a group that is not defined",
                f"define it or use one of: {', '.join(sorted(known))}",
            )


def _is_id(name: str) -> bool:
    return name.isascii() and name.islower() and name.replace("_", "a").isalnum()


def _entry_faults(where: str, entries: tuple[Entry, ...]) -> Iterator[ConfigError]:
    if not entries:
        yield ConfigError(f"{where}: no entries", "add words, or remove the group and its rules")
    first_use: dict[tuple[str, ...], int] = {}
    for number, entry in enumerate(entries, 1):
        place, tokens = f"{where}, entry {number}", tuple(tokenise(entry.word))
        if not tokens:
            yield ConfigError(f"{place}: empty", "remove the entry or write letters into it")
        elif tokens in first_use:
            yield ConfigError(
                f"{place}: the same word as entry {first_use[tokens]} once folded",
                "remove one of the two",
            )
        else:
            first_use[tokens] = number
            yield from _form_of_entry_faults(place, entry, tokens)


def _form_of_entry_faults(
    place: str, entry: Entry, tokens: tuple[str, ...]
) -> Iterator[ConfigError]:
    if entry.match == "phrase" and len(tokens) == 1:
        yield ConfigError(f"{place}: a phrase of one word", "leave `match` out")
    elif entry.match != "phrase" and len(tokens) > 1:
        yield ConfigError(
            f"{place}: more than one word",
            "make it a category of two groups, or for the profile `extended` a phrase:"
            ' { word = "...", match = "phrase" }',
        )
    elif len(tokens[0]) == 1 and len(tokens) == 1:
        yield ConfigError(f"{place}: a single letter", "one letter matches too much; remove it")
    elif entry.edit_distance and (entry.match != "word" or not is_editable(entry.word)):
        yield ConfigError(
            f"{place}: too short for an edit distance, or no whole word",
            f"give it to words of {MIN_EDITED_LETTERS} letters or more that differ",
        )
    elif entry.match != "word" and not is_long_enough(entry.word):
        yield ConfigError(
            f"{place}: too short to be looked for inside of words",
            "give three different letters or more, or leave `match` out",
        )


def _short_word_faults(where: str, topic: TopicRules) -> Iterator[ConfigError]:
    lists: dict[str, Iterable[str]] = {
        f"exceptions.{number}": exception.words
        for number, exception in enumerate(topic.exceptions, 1)
    }
    if topic.ages is not None:
        lists["ages.prefixes"] = topic.ages.prefixes
        lists["ages.number_words"] = topic.ages.number_words
    for name, words in lists.items():
        for number, word in enumerate(words, 1):
            if len(tokenise(word)) != 1 or not is_long_enough(word, 2):
                yield ConfigError(
                    f"{where}.{name}, entry {number}: not one word of two letters or more",
                    "write single words, or leave it out",
                )
