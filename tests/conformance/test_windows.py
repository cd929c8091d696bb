"""A: which window a query belongs to, whatever its order, way and key, and what a window means."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import signal
import time
import tomllib
from pathlib import Path

import pytest

from conformance.cases import Ask, Daemons, Engines, Run, stepped_ends
from conformance.diary import DAY, HOUR, MINUTE, SECOND, Diary, again, end, stamp
from conformance.readers import Daemon
from conformance.site import Case
from conformance.surroundings import Shifted
from support.log_writer import LogWriter, numbered_address

WEEK = 7 * DAY
MONDAY = 20_731 * DAY
"""2026-10-05."""
NOON = MONDAY + 2 * DAY + 12 * HOUR


def now() -> int:
    """The wall clock, ms UTC."""
    return time.time_ns() // 1_000_000


def counted(reader: Daemon, diary: Diary) -> None:
    """Wait until every line is counted and every hour before this one closed."""
    hours = {at // HOUR * HOUR for at, _ in diary.requests}
    last = (now() - 3 * MINUTE) // HOUR * HOUR
    reader.until(lambda: diary.lines() == diary.outcomes.total())
    reader.until(lambda: {hour for hour in hours if hour < last} <= diary.closed("hour"))


# -- A01 ------------------------------------------------------------------------------------


@pytest.mark.scenario("A01")
@stepped_ends
def test_late_queries_count_and_later_ones_are_told(
    stepped: Engines, diary: Diary, ending: Case | None
) -> None:
    """Within a week a closed hour is opened again; what is older is `too_late`."""
    engine = stepped(ending or Case(), NOON)
    diary.write(NOON)
    engine.start()
    for _ in range(3 * 24):
        diary.write(engine.now + HOUR, engine.now + HOUR - 1)
        engine.tick(HOUR)
    diary.exact()
    assert len(diary.closed("hour")) > 60
    if ending:
        again(engine, ending)
    late = {NOON + MINUTE: 4, engine.now - 2 * HOUR: 3}
    for at, count in late.items():
        diary.write(*[at] * count)
    diary.write(engine.now - 8 * DAY, engine.now - 7 * DAY - MINUTE, outcome="too_late")
    diary.write(engine.now - SECOND, engine.now - 7 * DAY + HOUR)
    engine.tick()
    if ending:
        again(engine, ending)
    engine.tick()
    diary.exact()
    rows = diary.query("select start, late from windows where kind = 'hour' and late > 0")
    wanted = {at // HOUR * HOUR: n for at, n in late.items()}
    assert dict(rows) == wanted | {(engine.now - 7 * DAY + HOUR) // HOUR * HOUR: 1}
    assert diary.query("select value from counters where name = 'late_lines'") == [(8,)]
    assert set(wanted) <= diary.closed("hour")


@pytest.mark.scenario("A01")
@stepped_ends
def test_within_the_lateness_nothing_is_late(
    stepped: Engines, diary: Diary, ending: Case | None
) -> None:
    """Out of order by less than two minutes, over the end of an hour, is simply counted."""
    engine = stepped(ending or Case(), NOON + HOUR + MINUTE)
    diary.write(engine.now)
    engine.start()
    hour = NOON + HOUR
    for at in (hour - 1, hour + 50 * SECOND, hour - 50 * SECOND, hour, hour - 58 * SECOND):
        diary.write(*[at] * 5)
        engine.tick()
        if ending:
            again(engine, ending)
    assert not diary.closed("hour")
    engine.tick(5 * MINUTE)
    diary.exact()
    assert diary.closed("hour") == {NOON}
    assert not diary.query("select * from counters where name = 'late_lines' and value > 0")


@pytest.mark.scenario("A01")
def test_a_real_daemon_counts_late_queries_and_tells_later_ones(
    daemon: Daemons, diary: Diary, case: Case
) -> None:
    """Shuffled over six days they go where they belong; hours that had closed say so."""
    reader = daemon(case)
    reader.start()
    start = now()
    diary.write(start)
    counted(reader, diary)
    old = [start - 2 * HOUR - n * (6 * DAY // 60) for n in range(60)]
    random.Random(3).shuffle(old)
    diary.write(*old[:30])
    diary.write(start - 8 * DAY, start - 400 * DAY, outcome="too_late")
    counted(reader, diary)
    again(reader, case)
    counted(reader, diary)
    diary.write(start + 1, *old[30:])
    counted(reader, diary)
    reader.stop()
    diary.exact()
    assert diary.query("select value from counters where name = 'late_lines'") == [(60,)]


# -- A02 ------------------------------------------------------------------------------------


@pytest.mark.scenario("A02")
@stepped_ends
def test_the_last_and_the_first_millisecond_at_the_edges(
    stepped: Engines, diary: Diary, ending: Case | None
) -> None:
    """xx:59:59.999 and xx:00:00.000, at ends of hours, of a day and of the week."""
    engine = stepped(ending or Case(), MONDAY - 25 * HOUR)
    diary.write(engine.now, address="192.0.2.77")
    engine.start()
    for edge in (MONDAY - DAY, MONDAY - HOUR, MONDAY, MONDAY + HOUR, MONDAY + DAY):
        for at in (edge - 1, edge):
            engine.tick(at - engine.now)
            diary.write(at, at, address="192.0.2.77")
            diary.write(at)
            engine.tick(0)
        if ending:
            again(engine, ending)
    engine.tick(WEEK)
    diary.exact()
    assert diary.closed("week") >= {MONDAY - WEEK, MONDAY}
    for kind, start, until in (("hour", MONDAY, HOUR), ("week", MONDAY - WEEK, WEEK)):
        [rows] = diary.query(
            "select queries, addresses, sum_qq from windows where kind = ? and start = ?",
            kind, start,
        )  # fmt: skip
        assert rows == diary.truth(start, start + until)


@pytest.mark.scenario("A02")
def test_a_real_daemon_at_the_edges(daemon: Daemons, diary: Diary, case: Case) -> None:
    """The edges of the last hours and of the last Monday, to the millisecond."""
    reader = daemon(case)
    start = now()
    monday = (start - 4 * DAY) // WEEK * WEEK + 4 * DAY
    hour = start // HOUR * HOUR
    wanted = {monday, monday + HOUR, hour - HOUR, hour}
    edges = sorted(edge for edge in wanted if edge <= start)
    for edge in edges[:2]:
        diary.write(edge - 1, edge - 1, edge, address="198.51.100.4")
    reader.start()
    counted(reader, diary)
    again(reader, case)
    for edge in edges[2:]:
        diary.write(edge - 1, edge, edge, address="198.51.100.4")
    counted(reader, diary)
    reader.until(lambda: monday - WEEK in diary.closed("week"))
    reader.stop()
    diary.exact()


# -- A03 ------------------------------------------------------------------------------------


@pytest.mark.scenario("A03")
@pytest.mark.parametrize(
    "beside",
    [False, True],
    ids=["elsewhere", "beside the log"],
)
def test_backfills_beside_the_live_log_count_each_line_once(
    daemon: Daemons,
    run: Run,
    diary: Diary,
    case: Case,
    tmp_path: Path,
    beside: bool,
) -> None:
    """Old files, one twice and one as its .gz, a copy of the live log, and the live log itself."""
    reader, begun = daemon(case), now()
    backfill = ("backfill", "--config", reader.settings)
    place = diary.log.parent if beside else tmp_path
    old = [place / f"search.log.{number}" for number in (1, 2)]
    diary.write(begun, begun + 1)
    for number, path in enumerate(old, 3):
        diary.write(*range(begun - number * 30 * DAY, begun - number * 30 * DAY + 40), log=path)
    reader.start()
    reader.look(2)
    code, message = run(*backfill, *old)
    assert code == 4
    assert "another donkeywatch is at work" in message
    assert "stop it first" in message
    assert diary.lines() == 2
    end(reader, case)
    diary.write(begun + 2)
    packed, copy = tmp_path / "packed.gz", tmp_path / "copy.log"
    packed.write_bytes(gzip.compress(old[1].read_bytes()))
    shutil.copy(diary.log, copy)
    diary.write(begun + 3)
    half = f"{stamp(begun + 4)}\t203.0.113.9\tzq"
    with diary.log.open("a") as log:
        log.write(half)
    for _ in range(2):
        code, message = run(*backfill, old[0], diary.log, old[0], packed, old[1], copy)
        assert code == 0, message
        diary.exact()
    # Of the packed one nobody can tell it any more: the keys of its weeks are destroyed.
    assert message.count("counted before, nothing new") == 4
    assert message.count("nothing counted; 40 lines are of weeks whose keys are destroyed") == 1
    reader.start()
    with diary.log.open("a") as log:
        log.write("orv\n")
    diary.requests.append((begun + 4, "203.0.113.9"))
    diary.outcomes["query"] += 1
    diary.write(begun + 5)
    counted(reader, diary)
    end(reader, case)
    assert run(*backfill, *old, diary.log)[0] == 0
    diary.exact()


# -- A04 ------------------------------------------------------------------------------------

ADDRESSES = [f"{net}.{host}" for net in ("192.0.2", "203.0.113") for host in range(1, 90)]
ADDRESSES += [f"2001:db8::{host:x}" for host in range(1, 60)]


@pytest.mark.scenario("A04")
@stepped_ends
def test_seven_days_are_exact_across_the_change_of_keys(
    stepped: Engines, diary: Diary, ending: Case | None
) -> None:
    """At every step over two Mondays the rolling windows equal a brute-force count."""
    engine, rng = stepped(ending or Case(), MONDAY - 2 * DAY), random.Random(7)
    engine.start()
    while engine.now < MONDAY + WEEK + 2 * DAY:
        near = min(abs(engine.now - MONDAY), abs(engine.now - MONDAY - WEEK)) < 40 * MINUTE
        step = 7 * MINUTE + 13_000 if near else 5 * HOUR + 11_000
        for _ in range(12):
            at = engine.now + step - rng.randrange(90_000)
            diary.write(at, address=rng.choice(ADDRESSES))
        engine.tick(step)
        engine.tick(3 * MINUTE)
        if ending and rng.random() < 0.3:
            again(engine, ending)
        ends = set(diary.rolling().values())
        assert ends == {(engine.now - 2 * MINUTE) // MINUTE * MINUTE}
    diary.exact()


@pytest.mark.scenario("A04")
def test_a_real_daemon_knows_an_address_on_both_sides_of_monday(
    daemon: Daemons, diary: Diary, case: Case
) -> None:
    """Two keys, one address: each week counts it once, and so do the last seven days."""
    reader = daemon(case)
    start = now()
    monday = (start - 4 * DAY) // WEEK * WEEK + 4 * DAY
    first = max(start - 7 * DAY + HOUR, monday - 30 * HOUR)
    rng = random.Random(11)
    times = sorted({first, *(rng.randrange(first, start - 5 * MINUTE) for _ in range(300))})
    near = sorted({monday + offset for offset in (-1, 0) if monday + offset <= start})
    for at in times[:150]:
        diary.write(at, address=rng.choice(ADDRESSES))
    reader.start()
    counted(reader, diary)
    again(reader, case)
    for at in times[150:] + near:
        diary.write(at, address=rng.choice(ADDRESSES[:40]))
    counted(reader, diary)
    reader.until(lambda: len(diary.query("select 1 from windows where kind = '7d'")) == 1)
    again(reader, case)
    reader.until(lambda: diary.query("select queries from windows where kind = '7d'")[0][0] > 300)
    reader.stop()
    diary.exact()
    assert diary.rolling()["7d"] >= start - 3 * MINUTE
    assert first >= monday or len(list((diary.state / "keys").glob("*-W*.key"))) >= 2


# -- A05 ------------------------------------------------------------------------------------


@pytest.mark.scenario("A05")
@pytest.mark.parametrize("how", ["reload", "restart"])
def test_a_changed_lexicon_is_a_break(
    daemon: Daemons,
    ask: Ask,
    diary: Diary,
    case: Case,
    how: str,
    request: pytest.FixtureRequest,
) -> None:
    """Each query is judged by the list in force when it is read; the break tells when that was.

    A restart takes the list at once, a reload waits for the next hour.
    """
    if how == "reload":
        clock: Shifted = request.getfixturevalue("shifted")
        next_hour = now() // HOUR * HOUR + HOUR
        clock.shift(next_hour - 55_000 - now())
        reader = Daemon(request.getfixturevalue("tmp_path"), case, clock)
    else:
        reader = daemon(case)
    path = reader.settings.parent / "archive" / "lexicon.toml"
    text = path.read_text()
    entry = tomllib.loads(text)["topics"]["pedophile"]["groups"]["explicit"][0]
    start = now() // HOUR * HOUR - 2 * HOUR
    serial = iter(range(1000))

    def search(count: int, word: str) -> None:
        diary.outcomes["query"] += count
        for _ in range(count):
            who = numbered_address(next(serial))
            diary.requests.append((start, who))
            LogWriter(diary.log).log_search(start, who, word)
        counted(reader, diary)

    def change(new: str) -> None:
        before = reader.log_text().count("settings reloaded")
        path.write_text(new)
        if how == "reload":
            reader.signal(signal.SIGHUP)
            reader.until(lambda: reader.log_text().count("settings reloaded") > before)
            if "nothing has changed" in reader.log_text().splitlines()[-1]:
                return
            assert figures()[1] == digest
            clock.shift(next_hour + SECOND - now())  # No jump: by less than a minute.
            reader.until(lambda: "the new word list is taken:" in reader.log_text())
        else:
            again(reader, case)

    def figures() -> tuple[int, str]:
        answer = ask(reader, f"/api/v1/hours?from={stamp(start)[:19]}Z").json()
        topic = next(t for t in answer["windows"][0]["topics"] if t["topic"] == "pedophile")
        return topic["queries"], ask(reader, "/api/v1/fractions").json()["lexicon"]

    reader.start()
    search(7, entry)
    search(5, "zqnew")
    flagged, digest = figures()
    assert flagged == 7
    change(text)
    assert not diary.query("select * from breaks")
    begun = next_hour if how == "reload" else now()
    change(text.replace(f'"{entry}"', '"zqnew"'))
    done = clock.now() + 1000 if how == "reload" else now()
    search(3, entry)
    search(11, "zqnew")
    flagged, other = figures()
    assert flagged == 7 + 11
    assert other != digest
    [(at, kind, message)] = diary.query("select time, kind, digest from breaks")
    assert begun <= at <= done
    assert (kind, message) == ("lexicon", other)
    page = ask(reader, f"/api/v1/hours?from={stamp(start)[:19]}Z").json()
    assert page["breaks"] == [{"time": stamp(at)[:19] + "Z", "kind": "lexicon"}]
    reader.stop()
    diary.exact()
    assert json.dumps(page).find("zqnew") == -1


# -- A06 ------------------------------------------------------------------------------------


@pytest.mark.scenario("A06")
@stepped_ends
def test_idle_hours_close_with_zeros_and_coverage(
    stepped: Engines, diary: Diary, ending: Case | None
) -> None:
    """Nobody searched, and that is known: zeros, closed, with all seconds covered."""
    engine = stepped(ending or Case(), NOON)
    diary.write(NOON)
    engine.start()
    while engine.now < NOON + 5 * HOUR:
        engine.tick(5 * MINUTE)
        if ending and engine.now % HOUR < 5 * MINUTE:
            again(engine, ending)
    shown = diary.query(
        "select start, queries, addresses, covered_seconds, closed from windows"
        " where kind = 'hour' and start > ? and start < ? order by start",
        NOON, NOON + 4 * HOUR,
    )  # fmt: skip
    assert shown == [(NOON + n * HOUR, 0, 0, pytest.approx(3600), 1) for n in (1, 2, 3)]
    while engine.now < MONDAY + 2 * WEEK + HOUR:
        engine.tick(7 * HOUR)
    diary.exact()
    zeros = diary.query(
        "select queries, addresses, sum_qq from windows where kind = 'week' and start = ?",
        MONDAY + WEEK,
    )
    assert zeros == [(0, 0, 0)]
    assert {MONDAY, MONDAY + WEEK} <= diary.closed("week")
    diary.rolling()


@pytest.mark.scenario("A06")
@pytest.mark.parametrize("case", [Case(end="stop"), Case(end="kill")], ids=["stop", "kill"])
def test_hours_that_nobody_followed_are_not_zeros(
    stepped: Engines, diary: Diary, case: Case
) -> None:
    """The daemon was stopped, and the server wrote nothing that would tell of the hours between."""
    engine = stepped(case, NOON)
    diary.write(NOON)
    engine.start()
    engine.tick(MINUTE)
    end(engine, case)
    engine.now += 5 * HOUR
    engine.steady += 5 * HOUR
    engine.start()
    engine.tick(HOUR)
    diary.exact()
    between = diary.query(
        "select count(*) from windows where kind = 'hour' and start > ? and until < ?",
        NOON, NOON + 5 * HOUR,
    )  # fmt: skip
    assert between == [(0,)]


@pytest.mark.scenario("A06")
def test_a_real_daemon_closes_idle_hours_with_zeros(
    daemon: Daemons, diary: Diary, case: Case
) -> None:
    """It catches up with a server at which nobody searched for six hours, and was up, we know."""
    reader = daemon(case)
    with reader.settings.open("a") as settings:
        settings.write("[time]\nmax_gap = 30000\n")
    first = now() // HOUR * HOUR - 9 * HOUR
    # One stamp that far ahead would not be believed.
    diary.write(first, *range(first + 7 * HOUR, first + 7 * HOUR + 3))
    reader.start()
    counted(reader, diary)
    again(reader, case)
    diary.write(now())
    counted(reader, diary)
    reader.stop()
    diary.exact()
    hours = diary.query(
        "select start, queries, addresses, closed from windows where kind = 'hour'"
        " and start > ? and start < ? order by start",
        first, first + 7 * HOUR,
    )  # fmt: skip
    assert hours == [(first + n * HOUR, 0, 0, 1) for n in range(1, 7)]
