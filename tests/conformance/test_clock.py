"""C: clocks that jump, local time, leap seconds and turns of the year, and stamps of the future."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from conformance.cases import Ask, Daemons, Engines, Run, stepped_ends
from conformance.diary import DAY, EPOCH, HOUR, MINUTE, SECOND, Diary, again, amend
from conformance.readers import Daemon
from conformance.site import Case
from conformance.surroundings import Shifted


def utc(*parts: int) -> int:
    """The time in ms of a date in UTC."""
    return (datetime(*parts, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)  # type: ignore[misc,arg-type]


def local(name: str) -> Callable[[int], str]:
    """Stamps of a server that writes its local time and no zone."""
    zone = ZoneInfo(name)

    def written(time: int) -> str:
        moment = (EPOCH + timedelta(milliseconds=time)).astimezone(zone)
        return moment.replace(tzinfo=None).isoformat(" ", "milliseconds")

    return written


def always(text: str) -> Callable[[int], str]:
    """The same stamp, whatever the time."""
    return lambda _time: text


NOON = utc(2026, 10, 7, 12)
"""A Wednesday."""
SUNDAY = utc(2026, 10, 11, 20)
PARIS = "Europe/Paris"

jumps = pytest.mark.parametrize("jump", [-HOUR, DAY], ids=["back an hour", "ahead a day"])


# -- C01 ------------------------------------------------------------------------------------


@pytest.mark.scenario("C01")
@jumps
@stepped_ends
@pytest.mark.parametrize("together", [False, True], ids=["server right", "server too"])
def test_a_jump_of_the_wall_clock_loses_and_doubles_nothing(
    stepped: Engines, diary: Diary, jump: int, ending: Case | None, together: bool
) -> None:
    """The clock is wrong for five minutes, that of the server too or not; then it is right."""
    engine = stepped(ending or Case(), NOON)
    engine.start()

    def minutes(count: int, ahead: int = 0, outcome: str = "query") -> None:
        for _ in range(count):
            now = engine.now + MINUTE
            diary.write(*range(now + ahead - 2, now + ahead + 1), outcome=outcome)
            engine.tick(MINUTE)

    minutes(10)
    engine.now += jump
    # What the wrong clock would decide on waits, and is told as by the clock that is right.
    outcome = "future" if jump > 0 and together else "query"
    minutes(3, 0 if together else -jump, outcome)
    if ending is not None:
        again(engine, ending)
    minutes(2, 0 if together else -jump, outcome)
    engine.now -= jump
    minutes(10)
    diary.exact()
    covered = diary.query("select covered_seconds from windows where kind = 'hour'")
    assert all(0 <= seconds <= 3600 for (seconds,) in covered)
    assert sum(seconds for (seconds,) in covered) <= (engine.steady - NOON) / SECOND
    for _ in range(8):
        diary.write(engine.now + 15 * MINUTE)
        engine.tick(15 * MINUTE)
    diary.exact()
    engine.tick(2 * DAY)
    diary.exact()
    assert {time // HOUR * HOUR for time, _ in diary.requests} <= diary.closed("hour")
    diary.rolling()


@pytest.mark.scenario("C01")
@pytest.mark.parametrize("figure", ["rolling", "late", "covered"])
@jumps
def test_when_the_clock_is_right_again_so_are_the_live_figures(
    stepped: Engines, diary: Diary, jump: int, figure: str
) -> None:
    """Two hours later rolling windows move, nothing is late, and all time is covered."""
    engine = stepped(Case(), NOON)
    engine.start()

    def minutes(count: int) -> None:
        for _ in range(count):
            diary.write(engine.now)
            engine.tick(5 * MINUTE)

    minutes(2)
    engine.now += jump
    engine.tick(MINUTE)
    engine.now -= jump
    minutes(26)
    hour = NOON + HOUR
    [(late, covered)] = diary.query(
        "select late, covered_seconds from windows where kind = 'hour' and start = ?", hour
    )
    diary.exact()
    if figure == "rolling":
        assert set(diary.rolling().values()) == {(engine.now - 2 * MINUTE) // MINUTE * MINUTE}
    elif figure == "late":
        assert late == 0
    else:
        assert covered == 3600


@pytest.mark.scenario("C01")
@pytest.mark.parametrize("late", [False, True], ids=["in time", "a late line"])
@pytest.mark.parametrize("jump", [DAY, 8 * DAY], ids=["a day", "eight days"])
def test_a_jump_over_a_monday_destroys_no_key_that_is_needed(
    stepped: Engines, diary: Diary, jump: int, late: bool
) -> None:
    """On Sunday evening the clock is for a minute in another week; then it is right again."""
    engine = stepped(Case(), SUNDAY - 7 * DAY)
    engine.start()
    while engine.now < SUNDAY:
        diary.write(engine.now)
        engine.tick(8 * HOUR)
    diary.exact()
    keys = sorted(path.name for path in (diary.state / "keys").glob("*-W*.key"))
    engine.now += jump
    engine.tick(MINUTE)
    engine.now -= jump
    diary.write(engine.now)
    if late:
        # The Sunday before, less than seven days ago: not too late by any promise.
        diary.write(engine.now - 7 * DAY + HOUR)
    engine.tick(MINUTE)
    diary.exact()
    if late:
        kept = sorted(path.name for path in (diary.state / "keys").glob("*-W*.key"))
        assert set(keys[-2:]) <= set(kept)


@pytest.mark.scenario("C01")
def test_a_jump_of_a_real_daemons_clock_loses_and_doubles_nothing(
    tmp_path: Path, diary: Diary, shifted: Shifted, case: Case
) -> None:
    """An hour back with its server, a day ahead of its server with an end within, and right."""
    base = NOON - shifted.now()
    shifted.shift(base)
    daemon = Daemon(tmp_path, case, shifted)
    daemon.start()

    def count(wrong: int, server: int) -> None:
        shifted.shift(base + wrong)
        now = shifted.now() + server - wrong
        diary.write(*range(now - 4, now + 1))
        daemon.look(len(diary.requests))

    count(0, 0)
    count(-HOUR, -HOUR)
    count(0, 0)
    count(DAY, 0)
    again(daemon, case)
    count(DAY, 0)
    count(0, 0)
    daemon.stop()
    diary.exact()
    assert len(diary.requests) == 30
    assert "not ready: the last commit" not in daemon.log_text()


# -- C02 ------------------------------------------------------------------------------------


@pytest.mark.scenario("C02")
@pytest.mark.parametrize(
    "end", [None, Case(end="stop"), Case(end="kill"), "one read"],
    ids=["live", "live and stop", "live and kill", "one read"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("start", "impossible"),
    [
        (utc(2026, 10, 24, 22), ()),
        (utc(2026, 3, 28, 23), ("02:00:00.000", "02:30:00.000", "02:59:59.999")),
    ],
    ids=["repeated hour", "skipped hour"],
)
def test_local_time_where_the_clocks_change(
    stepped: Engines, diary: Diary, end: Case | str | None, start: int, impossible: tuple[str, ...]
) -> None:
    """Each pass of the repeated hour is an hour of its own; the skipped one is impossible."""
    engine = stepped(end if isinstance(end, Case) else Case(), start)
    amend(engine.settings, 'format = "tsv"', f'format = "tsv"\ntimezone = "{PARIS}"')
    engine.start()
    until = start + 5 * HOUR
    for number, at in enumerate(range(start, until, 7 * MINUTE + 11_007)):
        diary.write(at, at + 5_001, stamp=local(PARIS))
        if number % 3 == 0:
            for clock in impossible:
                diary.write(0, outcome="impossible_time", stamp=always(f"2026-03-29 {clock}"))
        if end == "one read":
            continue
        engine.tick(at + 5_001 - engine.now)
        if isinstance(end, Case) and number % 4 == 2:
            again(engine, end)
    engine.tick(until + 3 * MINUTE - engine.now)
    diary.exact()
    assert len(diary.closed("hour")) == 5
    diary.rolling()


@pytest.mark.scenario("C02")
@pytest.mark.parametrize(
    "case", [Case(), Case(wakeup="polling", end="kill")], ids=["inotify-stop", "polling-kill"]
)
def test_a_real_daemon_that_restarts_within_the_repeated_hour(
    tmp_path: Path, diary: Diary, shifted: Shifted, case: Case
) -> None:
    """Lines of both passes come to its lives before and after; each is in its own hour."""
    change = utc(2026, 10, 25, 1)
    shifted.shift(change + 66 * MINUTE - shifted.now())
    daemon = Daemon(tmp_path, case, shifted)
    amend(daemon.settings, 'format = "tsv"', f'format = "tsv"\ntimezone = "{PARIS}"')
    diary.write(*range(change - 90 * MINUTE, change, 5 * MINUTE), stamp=local(PARIS))
    daemon.start()
    daemon.look(len(diary.requests))
    diary.write(*range(change, change + 30 * MINUTE, 5 * MINUTE), stamp=local(PARIS))
    daemon.look(len(diary.requests))
    again(daemon, case)
    diary.write(*range(change + 30 * MINUTE, change + 65 * MINUTE, 5 * MINUTE), stamp=local(PARIS))
    daemon.look(len(diary.requests))
    daemon.stop()
    diary.exact()
    assert {change - HOUR, change} <= diary.closed("hour")


@pytest.mark.scenario("C02")
@pytest.mark.parametrize("how", ["reload", "restart"])
def test_another_zone_in_the_settings_is_for_the_lines_that_come(
    daemon: Daemons, diary: Diary, case: Case, how: str
) -> None:
    """A wrong zone, told as lines of the future, is mended; nothing is read a second time."""
    reader = daemon(case)
    amend(reader.settings, 'format = "tsv"', 'format = "tsv"\ntimezone = "America/Phoenix"')
    reader.start()
    now = time.time_ns() // 1_000_000
    diary.write(*range(now - 5, now), outcome="future", stamp=local("Asia/Tokyo"))
    reader.until(lambda: diary.lines() == 5)
    amend(reader.settings, "America/Phoenix", "Asia/Tokyo")
    if how == "reload":
        reader.signal(signal.SIGHUP)
        reader.until(lambda: "settings reloaded" in reader.log_text())
    else:
        again(reader, case)
    diary.write(*range(now - 5, now), stamp=local("Asia/Tokyo"))
    reader.look(5)
    again(reader, case)
    diary.write(now, stamp=local("Asia/Tokyo"))
    reader.look(6)
    reader.stop()
    diary.exact()


# -- C03 ------------------------------------------------------------------------------------


@pytest.mark.scenario("C03")
@pytest.mark.parametrize(
    ("times", "leap"),
    [
        ((utc(2016, 12, 31, 23, 59, 59), utc(2017, 1, 1) - 1, utc(2017, 1, 1)), True),
        (tuple(utc(2020, 12, 28) + hours * HOUR for hours in range(-10, 168, 7)), False),
    ],
    ids=["leap second", "a week in two years"],
)
def test_a_real_daemon_reads_the_turn_of_the_year(
    daemon: Daemons,
    diary: Diary,
    ask: Ask,
    case: Case,
    times: tuple[int, ...],
    leap: bool,
) -> None:
    """23:59:60 is the end of its day; the week of 1 January 2021 is the 53rd of 2020."""
    diary.write(*times)
    if leap:
        # The second that Unix time does not number belongs to the hour, day and year that end.
        for written in ("2016-12-31T23:59:60.000Z", "2017-01-01T05:29:60.999+05:30"):
            diary.write(utc(2017, 1, 1) - 1, stamp=always(written))
        diary.write(0, outcome="bad_time", stamp=always("2017-01-01T00:00:60.000Z"))
    reader = daemon(case)
    reader.start()
    reader.until(lambda: diary.lines() == diary.outcomes.total())
    again(reader, case)
    reader.until(lambda: {time // HOUR * HOUR for time in times} <= diary.closed("hour"))
    name = "2016-W52" if leap else "2020-W53"
    weeks = ask(reader, f"/api/v1/weeks?from={name}&to=2021-W02").json()["windows"]
    reader.stop()
    diary.exact()
    assert [week["start"] for week in weeks] == (
        ["2016-12-26T00:00:00Z"] if leap else ["2020-12-28T00:00:00Z"]
    )
    assert [week["queries"] for week in weeks] == [5 if leap else 24]


@pytest.mark.scenario("C03")
@stepped_ends
def test_the_turn_of_the_year_is_followed_live(
    stepped: Engines, diary: Diary, ending: Case | None
) -> None:
    """Minute by minute over midnight: hours, the week, rolling windows; also when restarted."""
    engine = stepped(ending or Case(), utc(2026, 12, 31, 22, 30))
    engine.start()
    for minute in range(0, 180, 3):
        diary.write(engine.now, engine.now + 59_999, address=f"192.0.2.{minute % 7 + 1}")
        engine.tick(3 * MINUTE)
        if ending and minute % 24 == 21:
            again(engine, ending)
    diary.exact()
    assert set(diary.rolling().values()) == {(engine.now - 2 * MINUTE) // MINUTE * MINUTE}
    assert diary.query("select name from weekly_keys order by week desc limit 1") == [("2026-W53",)]


@pytest.mark.scenario("C03")
@pytest.mark.parametrize("layout", ["%b %d %H:%M:%S", "%y-%m-%d %H:%M:%S"])
@pytest.mark.parametrize("verb", ["run", "check"])
def test_stamps_that_do_not_tell_the_year_are_refused(
    daemon: Daemons, run: Run, layout: str, verb: str
) -> None:
    """No year is ever guessed: the settings are refused, with the reason."""
    settings = daemon(Case()).settings
    more = f'format = "tsv"\ntimezone = "{PARIS}"\ntime_format = "{layout}"'
    amend(settings, 'format = "tsv"', more)
    code, message = run(verb, "--config", settings)
    assert code == 7
    assert "`time_format` needs a four-digit year" in message


@pytest.mark.scenario("C03")
def test_stamps_without_a_year_are_no_time(daemon: Daemons, diary: Diary, case: Case) -> None:
    """Where settings promise a year, lines without one are told as `bad_time`."""
    reader = daemon(case)
    reader.start()
    now = time.time_ns() // 1_000_000
    for written in ("Dec 31 23:59:59", "26-12-31 23:59:59", "12-31T23:59:59Z"):
        diary.write(now, outcome="bad_time", stamp=always(written))
    diary.write(now)
    reader.until(lambda: diary.lines() == 4)
    again(reader, case)
    reader.stop()
    diary.exact()


# -- C04 ------------------------------------------------------------------------------------

YEAR_2099_MS = utc(2099, 1, 1)


@pytest.mark.scenario("C04")
@stepped_ends
def test_stamps_of_2099_close_nothing(stepped: Engines, diary: Diary, ending: Case | None) -> None:
    """They are rejected as `future`; no window closes and no key is made for them."""
    engine = stepped(ending or Case(), NOON)
    diary.write(*range(NOON - 10, NOON))
    engine.start()
    keys = sorted(path.name for path in (diary.state / "keys").iterdir())
    for count in (1, 3, 50):
        diary.write(*[YEAR_2099_MS] * count, outcome="future")
        diary.write(engine.now)
        engine.tick()
        if ending:
            again(engine, ending)
    diary.write(engine.now + 6 * MINUTE, outcome="future")
    engine.tick()
    ahead = engine.now + 4 * MINUTE
    diary.write(ahead)
    engine.tick()
    diary.exact()
    assert not diary.closed("hour")
    assert sorted(path.name for path in (diary.state / "keys").iterdir()) == keys
    assert diary.query("select newest from sources") == [(ahead,)]
    engine.tick(2 * HOUR)
    diary.exact()
    assert diary.closed("hour") == {NOON - HOUR, NOON}


@pytest.mark.scenario("C04")
def test_stamps_of_2099_close_nothing_of_a_real_daemon(
    daemon: Daemons, diary: Diary, case: Case
) -> None:
    """As the first line, alone, and sixty at once, with an end between."""
    diary.write(YEAR_2099_MS, outcome="future")
    reader = daemon(case)
    reader.start()
    for count in (0, 1, 60):
        now = time.time_ns() // 1_000_000
        diary.write(*[YEAR_2099_MS] * count, outcome="future")
        diary.write(now)
        reader.until(lambda: diary.lines() == diary.outcomes.total())
        again(reader, case)
    reader.stop()
    diary.exact()
    assert diary.query("select count(*) from windows where until > ?", now + 7 * DAY) == [(0,)]
    assert diary.query("select count(*) from weekly_keys where week > ?", now) == [(0,)]
    assert diary.query("select newest from sources") == [(now,)]


@pytest.mark.scenario("C04")
@pytest.mark.parametrize(
    "place",
    [
        0,
        300, 600,
    ],
    ids=["first", "middle", "last"],
)  # fmt: skip
def test_one_stamp_ahead_of_its_archive_closes_nothing(
    run: Run,
    daemon: Daemons,
    diary: Diary,
    tmp_path: Path,
    place: int,
) -> None:
    """A year ahead of the archive but not of the clock: it counts, and nothing is too late."""
    settings = daemon(Case()).settings
    start, archive = utc(2022, 3, 1), tmp_path / "old.log"
    for number in range(601):
        at = start + number * 10 * MINUTE
        diary.write(at + 365 * DAY if number == place else at, log=archive)
    assert run("backfill", "--config", settings, archive)[0] == 0
    diary.exact()
