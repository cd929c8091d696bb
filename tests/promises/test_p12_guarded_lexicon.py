"""P12: the lexicon is guarded: whatever is wrong with it is told by its place, never an entry."""

from __future__ import annotations

import hmac
import tomllib
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from donkeywatch.errors import ConfigError
from donkeywatch.ingest.lexicon_file import load, read
from donkeywatch.ingest.lexicon_model import Lexicon, digest

WORD = "zqcanaryorv"
TEXT = f"""title = "nonsense"
[topics.one.groups]
first = ["{WORD}", "qvorxk"]
[[topics.one.categories]]
id = "plain"
all = ["first"]
"""
BROKEN = {
    "a word without quotes": f"other = {WORD}\n",
    "a word for a name": f'"{WORD}" "{WORD}"\n',
    "a name twice": f'{WORD} = 1\n{WORD} = 2\n',
    "a table twice": f"[{WORD}]\n[{WORD}]\n",
    "a value as a table": f"[title.{WORD}]\n",
    "no end": f'other = "{WORD}\n',
    "an escape": f'other = "\\{WORD}"\n',
    "a control character": f'other = "{WORD}\x01"\n',
    "a date": f"other = 2026-02-30 # {WORD}\n",
}  # fmt: skip
MISPLACED = {
    "a word as a topic": f'[topics."{WORD} {WORD}".groups]\nfirst = ["qvorxk"]\n',
    "a word as a setting": f'{WORD} = "{WORD}"\n',
    "a word as a number": TEXT + f'[topics.one.ages]\nminimum = "{WORD}"\n',
    "a word as a list": TEXT.replace('["zq', '"zq').replace(', "qvorxk"]', ""),
    "a word as a date": f'expires = "{WORD}"\n' + TEXT,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound list."""
    made = tmp_path / "lexicon.toml"
    made.write_text(TEXT)
    made.chmod(0o600)
    return made


def complaints(path: Path) -> list[str]:
    """Give all that is told of a list."""
    try:
        _, faults = read(path)
    except ConfigError as error:
        faults = [error]
    return [str(fault) for fault in faults]


@pytest.mark.parametrize("slip", BROKEN)
def test_no_text_of_the_parser_is_in_a_message(path: Path, slip: str) -> None:
    """The parser quotes letters, names and values; only the line is told."""
    text = TEXT + BROKEN[slip]
    path.write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - of whatever kind it is
        tomllib.loads(text)
    own_words = str(caught.value).partition(" (at ")[0]
    (message,) = complaints(path)
    assert own_words not in message
    assert WORD not in message
    assert "not valid TOML near line" in message


@pytest.mark.parametrize("slip", MISPLACED)
def test_no_word_in_the_wrong_place_is_in_a_message(path: Path, slip: str) -> None:
    """Names that are none of the form are shown as a star."""
    path.write_text(MISPLACED[slip])
    told_of = complaints(path)
    assert told_of
    assert not [message for message in told_of if WORD in message]


@pytest.mark.parametrize(
    ("entries", "place"),
    [
        (f'["{WORD}", "{WORD.upper()}"]', "entry 2"),
        (f'["{WORD}", ""]', "entry 2"),
        (f'["{WORD} {WORD}"]', "entry 1"),
        (f'["{WORD}", "z"]', "entry 2"),
        ("[]", "topics.one.first"),
    ],
)
def test_an_entry_that_is_wrong_is_told_by_its_index(path: Path, entries: str, place: str) -> None:
    """Doubled, empty, of two words, of one letter, or none at all."""
    path.write_text(TEXT.replace(f'["{WORD}", "qvorxk"]', entries))
    (message,) = complaints(path)
    assert place in message
    assert WORD not in message.casefold()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_list_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    """Whatever they may do with it."""
    path.chmod(mode)
    with pytest.raises(ConfigError, match="others can read it"):
        load(path)


def test_a_link_a_directory_and_an_expired_list_are_refused(path: Path, tmp_path: Path) -> None:
    """A link may be pointed elsewhere; a list has an owner who reviews it."""
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(ConfigError, match="symbolic link"):
        load(link)
    with pytest.raises(ConfigError, match="regular file"):
        load(tmp_path)
    path.write_text("expires = 2026-10-01\n" + TEXT)
    assert load(path, datetime(2026, 10, 1, 23, tzinfo=UTC))
    with pytest.raises(ConfigError, match="expired"):
        load(path, datetime(2026, 10, 2, tzinfo=UTC))


def test_the_digest_is_an_hmac_of_the_installation(path: Path) -> None:
    """A bare hash would confirm a list that was stolen."""
    lexicon = load(path)
    content = lexicon.model_dump_json().encode()
    made = digest(lexicon, b"one key")
    assert made == hmac.new(b"one key", content, sha256).hexdigest()[:16]
    assert made != digest(lexicon, b"another key")
    assert made not in sha256(content).hexdigest()


def test_what_is_public_of_a_list_are_ids(path: Path) -> None:
    """Topics and categories, never a group or a word; and no value is in an error."""
    lexicon = load(path)
    assert repr(lexicon.public_topics()).count("'") == 4
    with pytest.raises(ValueError, match="valid") as caught:
        Lexicon.model_validate({"topics": {"one": WORD}})
    assert WORD not in str(caught.value)
