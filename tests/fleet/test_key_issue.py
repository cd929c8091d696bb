"""The issuer: keys are drawn at random, made once, and kept nowhere in clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from donkeywatch.counting.calendar import DAY, WEEK, week_name, week_of
from donkeywatch.fleet import key_issue, key_receipt
from donkeywatch.ingest import keyring
from fleet.simulated_fleet import SimulatedFleet
from fleet.test_union import NAMES


@pytest.fixture
def keyed(fleet: SimulatedFleet) -> SimulatedFleet:
    """A fleet whose keys were made and taken."""
    fleet.set_up(NAMES)
    return fleet


def test_servers_have_the_same_random_key_and_the_issuer_none(keyed: SimulatedFleet) -> None:
    """Its directories hold the sealed ones, and nothing of the key."""
    week = week_of(keyed.end)
    keys = {keyring.supplied_key(keyed.settings(name).key_directory, week) for name in NAMES}
    (key,) = keys
    assert key is not None
    assert len(set(key)) > 16
    files = [path for path in (keyed.directory / "union").rglob("*") if path.is_file()]
    assert not any(key in path.read_bytes() for path in files)
    assert key not in b"".join(path.read_bytes() for path in files)
    other = keyring.supplied_key(keyed.settings("first").key_directory, week - WEEK)
    assert other != key


def test_due_are_this_week_and_the_next_until_they_are_made(fleet: SimulatedFleet) -> None:
    """A week that has its key is not due again."""
    fleet.make(NAMES)
    fleet.init()
    union, week = fleet.settings("union"), week_of(fleet.end)
    assert key_issue.due_weeks(union, fleet.end) == [week, week + WEEK]
    with fleet.open() as warehouse:
        key_issue.make_week_key(union, week, warehouse, fleet.end)
        assert set(key_issue.key_checks(warehouse, week)) == {week}
    assert key_issue.due_weeks(union, fleet.end) == [week + WEEK]


def test_a_key_is_taken_once(keyed: SimulatedFleet) -> None:
    """The second time it is not new, and changes nothing."""
    (first, *_) = key_issue.sealed_for(keyed.settings("union"), "first")
    settings = keyed.settings("first")
    before = keyring.supplied_key(settings.key_directory, first.week)
    assert not key_receipt.take(settings, first)
    assert keyring.supplied_key(settings.key_directory, first.week) == before


def test_the_keys_that_wait_are_destroyed_with_all_others(keyed: SimulatedFleet) -> None:
    """`keys destroy --all` leaves none of the weeks to come."""
    directory = keyed.settings("first").key_directory
    assert list((directory / keyring.SUPPLIED).glob("*.key"))
    keyring.destroy_all(directory)
    assert not list((directory / keyring.SUPPLIED).glob("*.key"))


def test_sealed_keys_of_archives_wait_as_long_as_their_rows(fleet: SimulatedFleet) -> None:
    """Their weeks were over when the keys were made: `fleet serve` has still to hand them out."""
    fleet.make(NAMES)
    fleet.init()
    union, week = fleet.settings("union"), week_of(fleet.end) - 10 * WEEK
    with fleet.open() as warehouse:
        key_issue.make_week_key(union, week, warehouse, fleet.end)
    key_issue.destroy_outlived(union, fleet.end + 13 * DAY)
    assert [sealed.week for sealed in key_issue.sealed_for(union, "first")] == [week]
    key_issue.destroy_outlived(union, fleet.end + 14 * DAY)
    assert key_issue.sealed_for(union, "first") == []


@pytest.mark.parametrize("call", ["rename", "insert"])
def test_a_key_whose_making_was_interrupted_is_made_whole(
    fleet: SimulatedFleet, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The fleet knows one key of the week, and every server gets that one."""
    fleet.make(NAMES)
    fleet.init()
    union, week = fleet.settings("union"), week_of(fleet.end)
    keyring.ensure_directory(union.key_directory)

    def die(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with fleet.open() as warehouse:
        with monkeypatch.context() as patch:
            patch.setattr(Path if call == "rename" else warehouse, call, die)
            with pytest.raises(KeyboardInterrupt):
                key_issue.make_week_key(union, week, warehouse, fleet.end)
        assert key_issue.is_interrupted(union, week, key_issue.key_checks(warehouse, week)) is (
            call == "rename"
        )
        weeks = [week, week + WEEK]
        assert key_issue.weeks_without_key(union, warehouse, weeks) == weeks
        assert len(key_issue.make_week_key(union, week, warehouse, fleet.end)) == len(NAMES)
        assert key_issue.weeks_without_key(union, warehouse, weeks) == [week + WEEK]
        assert warehouse.rows(f"select count() from {warehouse.whole('week_keys')}") == [(1,)]
        check = key_issue.key_checks(warehouse, week)[week]
    for name in NAMES:
        (sealed,) = key_issue.sealed_for(union, name)
        assert key_receipt.take(fleet.settings(name), sealed)
        checks = keyring.shared_key_checks(fleet.settings(name).key_directory)
        assert checks == {week_name(week): check}


@pytest.mark.parametrize("content", [None, b""])
def test_a_week_whose_removal_was_interrupted_is_removed(
    keyed: SimulatedFleet, content: bytes | None
) -> None:
    """Without the time when its key was made it goes with its week, and holds nothing up."""
    union, week = keyed.settings("union"), week_of(keyed.end)
    directory = union.state / key_issue.SEALED / week_name(week)
    (directory / key_issue.MADE_AT).unlink()
    if content is not None:
        (directory / key_issue.MADE_AT).write_bytes(content)
    key_issue.destroy_outlived(union, keyed.end)
    assert directory.exists()
    key_issue.destroy_outlived(union, week + 2 * WEEK)
    assert not directory.exists()


def test_a_check_that_a_crash_left_empty_is_taken_again(keyed: SimulatedFleet) -> None:
    """Else the server would ship under a key that the fleet does not know as its own."""
    settings, week = keyed.settings("first"), week_of(keyed.end)
    (sealed,) = [
        each for each in key_issue.sealed_for(keyed.settings("union"), "first") if each.week == week
    ]
    path = settings.key_directory / keyring.SUPPLIED / f"{week_name(week)}{keyring.CHECK_SUFFIX}"
    check = path.read_text()
    path.write_text("")
    assert key_receipt.take(settings, sealed)
    assert path.read_text() == check
