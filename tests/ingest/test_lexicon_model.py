"""The word list is read when it is sound and guarded, and never shown when it is not."""

from __future__ import annotations

import os
import re
import traceback
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from donkeywatch.counting.checkpoint_batch import TopicInfo
from donkeywatch.errors import ConfigError
from donkeywatch.ingest.lexicon_file import load
from donkeywatch.ingest.lexicon_model import Lexicon, digest

ENTRIES = ("zqorv", "Qv\u00e9lt", "xkuzq", "vzqat")
"""Every entry of the files below, in whole or in part."""
KEY = re.compile(rf"^\W*(?:{'|'.join(ENTRIES)})", re.MULTILINE)
"""A line on which damage made a name of an entry."""
GOOD = """
title = "nonsense"
expires = 2026-11-23
[topics.one.groups]
first = ["zqorv", "Qv\u00e9lt"]
second = ["xkuzq"]
[topics.one.ages]
minimum = 3
maximum = 15
suffixes = ["vzqat"]
[[topics.one.categories]]
id = "plain"
all = ["first"]
[[topics.one.categories]]
id = "both"
all = ["age", "first|second"]
[topics.two.groups]
first = ["zqorv"]
[[topics.two.categories]]
id = "plain"
all = ["first"]
"""
LAST = datetime(2026, 11, 23, 23, 59, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound lexicon."""
    return written(tmp_path / "lexicon.toml", GOOD)


def written(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    """The file with a mode."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def refusal(path: Path, now: datetime = LAST) -> str:
    """What the user is told; checked to hold no entry, in the message or the traceback."""
    with pytest.raises(ConfigError) as message:
        load(path, now)
    shown = str(message.value) + message.value.problem + message.value.remedy
    shown += "".join(traceback.format_exception(message.value))
    for entry in ENTRIES:
        for form in (entry, entry.casefold(), entry.encode().hex(), repr(entry)):
            assert form.casefold() not in shown.casefold(), "an entry is shown"
    assert message.value.exit_code == 7
    return str(message.value)


def test_a_sound_file_is_read(path: Path) -> None:
    """Topics and categories keep their order, and are all that headings show."""
    lexicon = load(path, LAST)
    assert lexicon.public_topics() == (
        TopicInfo("one", ("plain", "both")),
        TopicInfo("two", ("plain",)),
    )
    assert lexicon.expires == date(2026, 11, 23)
    assert lexicon.topics["one"].groups["first"] == ("zqorv", "Qv\u00e9lt")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    """Whatever others may do with it, and the remedy is a command."""
    path.chmod(mode)
    message = refusal(path)
    assert "others can read it" in message
    assert "chmod 600" in message


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_the_owner_alone_is_read(path: Path, mode: int) -> None:
    """Only what others may do counts."""
    path.chmod(mode)
    assert load(path, LAST).title == "nonsense"


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    """Even one to a sound file, and one to nothing."""
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    assert "symbolic link" in refusal(link)
    dangling = tmp_path / "dangling.toml"
    dangling.symlink_to(tmp_path / "nowhere")
    assert "symbolic link" in refusal(dangling)


def test_a_misspelt_name_of_the_form_is_guessed(path: Path) -> None:
    """Ours is told; what stands there, which may be an entry, is not."""
    path.write_text("expiers = 2030-01-01\n" + path.read_text("utf-8"), "utf-8")
    message = refusal(path)
    assert "did you mean `expires`?" in message
    assert "expiers" not in message


def test_a_missing_file_and_a_pipe_are_refused(tmp_path: Path) -> None:
    """A pipe must not make the start wait for a writer."""
    assert "not readable" in refusal(tmp_path / "nowhere.toml")
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a regular file" in refusal(tmp_path / "pipe")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    """The path of a directory is told like any other mistake."""
    directory = tmp_path / "lexicons"
    directory.mkdir(mode=0o700)
    assert "not a regular file" in refusal(directory)


def test_an_expired_list_is_refused(path: Path) -> None:
    """The day in the file is the last one on which it may be used."""
    assert load(path, LAST)
    assert "expired on 2026-11-23" in refusal(path, datetime(2026, 11, 24, tzinfo=UTC))


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ('["zqorv", ""]', "entry 2: empty"),
        ('["zqorv", "- _"]', "entry 2: empty"),
        ('["zqorv", "\\u0301"]', "entry 2: empty"),
        ("[]", "no entries"),
        ('["zqorv", "xkuzq", "ZQO\\u0308RV"]', "entry 3: the same word as entry 1"),
        ('["zqorv", "\\uff5aqorv"]', "entry 2: the same word as entry 1"),
        ('["Qv\u00e9lt", "qvelt"]', "entry 2: the same word as entry 1"),
        ('["zqorv", "q"]', "entry 2: a single letter"),
        ('["q\\u0301"]', "entry 1: a single letter"),
        ('["zqorv qvelt"]', "entry 1: more than one word"),
        ('["xkuzq", "zqorv-xkuzq"]', "entry 2: more than one word"),
        ('["xkuzq", "zqorv_vzqat"]', "entry 2: more than one word"),
    ],
)
def test_entries_that_cannot_mean_what_they_say(path: Path, entries: str, text: str) -> None:
    """Empty, doubled, one-letter and two-word entries are told by number, in groups and ages."""
    for old, place in (
        ('first = ["zqorv", "Qv\u00e9lt"]', "topics.one.first"),
        ('suffixes = ["vzqat"]', "topics.one.ages.suffixes"),
    ):
        if place.endswith("suffixes") and entries == "[]":
            continue
        written(path, GOOD.replace(old, old.partition("=")[0] + "= " + entries, 1))
        message = refusal(path)
        assert text in message
        assert place in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('all = ["first"]', 'all = ["third"]', "category plain names a group"),
        ('all = ["first"]', 'all = ["first|"]', "names a group that is not defined"),
        ('all = ["first"]', 'all = ["zqorv"]', "names a group that is not defined"),
        ('all = ["first"]', "all = []", "topics.one.categories.1.all"),
        ('all = ["age", "first|second"]', 'all = ["age", "first", "secnd"]', "category both"),
        ('id = "both"', 'id = "plain"', "the same id"),
        ('id = "both"', 'id = "Both zqorv"', "topics.one.categories.2.id"),
        ("maximum = 15", "maximum = 2", "minimum exceeds maximum"),
        ("maximum = 15", "maximum = 100", "topics.one.ages.maximum"),
        ("minimum = 3", "minimum = -1", "topics.one.ages.minimum"),
        ('suffixes = ["vzqat"]', "suffixes = []", "topics.one.ages.suffixes"),
        ("second =", "age =", "`age` cannot be a group"),
        ("topics.two", 'topics."2 Two"', "not a valid id"),
        ('first = ["zqorv", ', 'first = ["zqorv", 7, ', "topics.one.groups.*"),
        ('first = ["zqorv", "Qv\u00e9lt"]', 'first = "zqorv"', "topics.one.groups.*"),
        ('title = "nonsense"', 'titel = "zqorv"', "did you mean `title`?"),
        ('title = "nonsense"', 'fnarbl = "zqorv"', "Extra inputs are not permitted"),
        ("expires = 2026-11-23", 'expires = "zqorv"', "expires"),
        ("expires = 2026-11-23", 'topics = "zqorv"', "not valid TOML"),
    ],
)
def test_rules_that_cannot_work(path: Path, old: str, new: str, message: str) -> None:
    """Unknown groups, doubled ids and wrong types are told by place."""
    assert old in GOOD
    written(
        path, GOOD.replace(old, new, 1).replace("topics.two", new if "Two" in new else "topics.two")
    )
    assert message in refusal(path)


@pytest.mark.parametrize(
    "broken",
    ['"zqorv', '["zqorv" "xkuzq"]', '["zqorv",, "xkuzq"]', "[zqorv]", "zqorv", '["zqo\\qrv"]',
     '["zqorv\n"]', '["zqorv"] "xkuzq"', "['zqorv', \"xkuzq]", '["zqorv"]\nfirst = ["xkuzq"]',
     '["zqorv"]\n[topics.one.groups]\nthird = ["xkuzq"]', '["zqorv\\u12"]', '["\x00zqorv"]'],
)  # fmt: skip
def test_bad_toml_is_told_by_line(path: Path, broken: str) -> None:
    """The line number is all that is told of a syntax error."""
    written(path, GOOD.replace('["zqorv", "Qv\u00e9lt"]', broken, 1))
    assert "not valid TOML near" in refusal(path)


def test_a_file_that_is_not_utf8_is_told_by_byte(path: Path) -> None:
    """Old encodings are refused."""
    written(path, GOOD.encode("cp1252"))
    assert "not UTF-8 at byte" in refusal(path)


def test_absurd_toml_is_refused_too(path: Path) -> None:
    """Deep nesting and endless numbers are mistakes, not tracebacks."""
    raised = set()
    for text in ("x = " + "[" * 5000, "x = " + "1" * 5000):
        written(path, text)
        try:
            load(path, LAST)
        except Exception as error:
            raised.add(type(error))
    assert raised == {ConfigError}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title =", '"zqorv xkuzq" = true\ntitle ='),
        pytest.param("second =", "zqorv = 1\nsecond ="),
        ("minimum =", "zqorv = 1\nminimum ="),
        ("second =", "[topics.one.vzqat]\nsecond ="),
    ],
)
def test_a_word_written_as_a_key_is_not_shown(path: Path, old: str, new: str) -> None:
    """Who forgets the list writes a word where a name belongs; it is still a word."""
    refusal(written(path, GOOD.replace(old, new, 1)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 12),
    st.sampled_from(["", '"', "]", "=", "\n", "[", "7"]),
)
def test_no_damage_makes_a_message_tell_an_entry(path: Path, at: int, cut: int, by: str) -> None:
    """Whatever is wrong with a file, the values in it stay confidential."""
    damaged = GOOD[:at] + by + GOOD[at + cut :]
    written(path, damaged)
    try:
        load(path, LAST)
    except ConfigError as error:
        shown = str(error).casefold()
        if not KEY.search(damaged):
            assert not any(entry.casefold() in shown for entry in ENTRIES)


def test_the_digest_is_keyed_and_follows_the_content(path: Path) -> None:
    """Another key or another list has another digest; layout and comments change nothing."""
    lexicon = load(path, LAST)
    first = digest(lexicon, b"1" * 32)
    assert first == digest(load(path, LAST), b"1" * 32)
    assert first != digest(lexicon, b"2" * 32)
    written(path, "# reviewed\n" + GOOD.replace(" = ", "="))
    assert digest(load(path, LAST), b"1" * 32) == first
    written(path, GOOD.replace("xkuzq", "xkuzp"))
    assert digest(load(path, LAST), b"1" * 32) != first


def test_what_a_list_does_not_use_of_the_form_is_not_in_its_digest(path: Path) -> None:
    """A list of before the form grew is no other list; a new part of it makes it one."""
    before = digest(load(path, LAST), b"1" * 32)
    assert before == "0dfbe998ad1cb2da"
    written(path, GOOD.replace("maximum = 15", 'maximum = 15\nprefixes = ["zqap"]'))
    assert digest(load(path, LAST), b"1" * 32) != before
    written(path, GOOD.replace('"xkuzq"', '{ word = "xkuzq", language = "xx" }'))
    assert digest(load(path, LAST), b"1" * 32) != before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"xkuzq"', '{ word = "xkuzq", match = "phrase" }', "entry 1: a phrase of one word"),
        ('"xkuzq"', '{ word = "xk uzq", match = "prefix" }', "entry 1: more than one word"),
        ('"xkuzq"', '{ word = "xxkk", match = "prefix" }', "entry 1: too short"),
        ('"xkuzq"', '{ word = "xkuzq", edit_distance = 1 }', "entry 1: too short for an edit"),
        ('"xkuzq"', '{ word = "xkuzq", match = "suffix" }', "topics.one.groups.*"),
        ('"xkuzq"', '{ word = "xkuzq", langauge = "xx" }', "topics.one.groups.*"),
        ("maximum = 15", 'maximum = 15\nprefixes = ["x"]', "ages.prefixes, entry 1: not one word"),
        ("maximum = 15", 'maximum = 15\nprefixes = ["zqa xk"]', "ages.prefixes, entry 1"),
        ("maximum = 15", "maximum = 15\nnumber_words = { x = 3 }", "ages.number_words, entry 1"),
    ],
)
def test_entries_of_extended_that_cannot_mean_what_they_say(
    path: Path, old: str, new: str, message: str
) -> None:
    """The message names their number and never shows them."""
    written(path, GOOD.replace(old, new, 1))
    text = refusal(path)
    assert message in text
    assert "xk" not in text


def test_extra_settings_are_refused() -> None:
    """A mistyped key is a mistake, not a comment."""
    with pytest.raises(ValueError, match="topics"):
        Lexicon.model_validate({"topics": {}})
