"""The verbs of `lexicon`, as their user meets them: counts, and never an entry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runtime.stepped_log import LEXICON
from test_cli import donkeywatch

OTHER = LEXICON.replace('sex = ["xkarno"]', 'sex = ["xkarno", "xkuzqa"]')


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """A directory with two lists, and settings that have the second one in the shadow."""
    for name, text in (("lexicon.toml", LEXICON), ("next.toml", OTHER)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "search.log").touch()
    (tmp_path / "donkeywatch.toml").write_text(
        'state = "state"\nlexicon = "lexicon.toml"\n[detection]\nshadow_lexicon = "next.toml"\n'
        '[[source]]\npath = "search.log"\nformat = "tsv"\n'
    )
    return tmp_path


def test_two_lists_are_compared_by_counts(lists: Path) -> None:
    """And one list with itself."""
    code, message = donkeywatch("lexicon", "diff", lists / "lexicon.toml", lists / "next.toml")
    assert (code, message.strip()) == (0, "first.sex: 1 new, 0 gone, 1 as before")
    code, message = donkeywatch("lexicon", "diff", lists / "next.toml", lists / "next.toml")
    assert (code, message.strip()) == (0, "no difference")


def test_the_schema_is_json(lists: Path) -> None:
    """It names what a list may have."""
    code, message = donkeywatch("lexicon", "schema")
    assert code == 0
    schema = json.loads(message)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"topics", "expires"} <= set(schema["properties"])
    assert "number_words" in schema["$defs"]["Ages"]["properties"]


@pytest.mark.untraced
def test_a_plan_of_a_sample(lists: Path) -> None:
    """Sizes and the intervals that are expected of them; too few queries are refused."""
    code, message = donkeywatch("lexicon", "plan", "--flagged", "12000", "--unflagged", "4000000")
    assert code == 0
    assert "unflagged rows" in message
    assert len(message.splitlines()) == 26
    code, message = donkeywatch("lexicon", "plan", "--flagged", "10", "--unflagged", "4000000")
    assert code == 2
    assert "200 flagged queries or more" in message


def test_a_list_in_the_shadow_is_promoted_once(lists: Path) -> None:
    """The old one stays beside it; both are for their owner alone."""
    code, message = donkeywatch("lexicon", "promote", "-c", lists / "donkeywatch.toml")
    assert code == 0
    assert "the next start takes it" in message
    assert (lists / "lexicon.toml").read_text() == OTHER
    previous = lists / "lexicon.toml.previous"
    assert previous.read_text() == LEXICON
    assert {path.stat().st_mode & 0o777 for path in (lists / "lexicon.toml", previous)} == {0o600}
    code, message = donkeywatch("lexicon", "promote", "-c", lists / "donkeywatch.toml")
    assert code == 2
    assert "is the one in use" in message
    assert previous.read_text() == LEXICON


def test_what_cannot_be_promoted_is_refused(lists: Path) -> None:
    """Without a shadow, and a list that is not sound; nothing is touched."""
    settings = lists / "donkeywatch.toml"
    (lists / "next.toml").write_text("title = ")
    code, _ = donkeywatch("lexicon", "promote", "-c", settings)
    assert code == 7
    settings.write_text(settings.read_text().replace('shadow_lexicon = "next.toml"\n', ""))
    code, message = donkeywatch("lexicon", "promote", "-c", settings)
    assert code == 2
    assert "shadow_lexicon" in message
    assert (lists / "lexicon.toml").read_text() == LEXICON
    assert not (lists / "lexicon.toml.previous").exists()


def test_verify_and_status_know_the_series(lists: Path) -> None:
    """Those of the shadow among them."""
    settings = lists / "donkeywatch.toml"
    log = lists / "search.log"
    log.write_text("2026-11-02T10:00:00.000Z\t192.0.2.7\txkuzqa\n")
    assert donkeywatch("backfill", "-c", settings, log)[0] == 0
    assert donkeywatch("verify", "-c", settings)[0] == 0
    code, message = donkeywatch("status", "-c", settings)
    assert code == 0
    assert "first.shadow" in message
    code, message = donkeywatch("check", "-c", settings)
    assert "lexicon in the shadow" in message
