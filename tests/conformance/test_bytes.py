"""B: bytes that are no text, that would forge, that end lines otherwise, and any bytes at all."""

from __future__ import annotations

import json
import random
import re
import signal
import time
import tomllib
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.cases import CASES, Ask, Daemons, Engines, Reasons, Run
from conformance.diary import Clocks, Diary, again, amend, stamp
from conformance.readers import Daemon
from conformance.site import Case
from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.line_reader import ParsedQuery
from donkeywatch.runtime.followed_source import line_reader
from donkeywatch.runtime.reference_data import ReferenceData
from donkeywatch.settings.loader import load
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.log_formats import FORMATS, go_quoted, searches

NOW = 1_791_374_400_000
"""2026-10-07T12:00:00Z."""


def wall() -> int:
    """The wall clock, ms UTC."""
    return time.time_ns() // 1_000_000


def rendered(name: str, at: int, address: str, query: bytes, style: int = 500) -> bytes:
    """A search in a format; for enode-go all three lines that this server writes."""
    text = query.decode("latin-1")
    if name == "enode-go":
        text = f'TEXT("{go_quoted(query)}")'
    elif name == "jsonl":
        text = "".join(c if ord(c) > 0x7F else json.dumps(c)[1:-1] for c in text)
    [line] = searches(name, np.array([at]), [address], [text], np.array([style]), [len(query)])
    return line.encode("latin-1")


def with_format(path: Path, name: str, more: str = "") -> None:
    """Set the source's format in settings."""
    amend(
        path,
        simulation_directory.source_settings("tsv"),
        simulation_directory.source_settings(name) + more,
    )


def entries(reader: Daemon) -> tuple[str, str]:
    """Two words that flag a query alone: one of ASCII, one with an accent that cp1252 has."""
    path = reader.settings.parent / "archive" / "lexicon.toml"
    words = tomllib.loads(path.read_text())["topics"]["pedophile"]["groups"]["explicit"]
    irregular = [word for word in words if len(word.encode("cp1252", "ignore")) == len(word)]
    return next(filter(str.isascii, irregular)), next(
        word for word in irregular if not word.isascii()
    )


CELLS = [("tsv", case) for case in CASES] + [
    (name, case) for name in FORMATS[1:] for case in (CASES[0], CASES[3])
]
"""The formats that share all but their parser with tsv: each wakeup and each end once."""
cells = pytest.mark.parametrize(("name", "case"), CELLS, ids=str)


# -- B01 ------------------------------------------------------------------------------------


def odd_queries(plain: str, accented: str) -> list[tuple[bytes, bool]]:
    """Queries in encodings that are right, wrong and none; and is there an entry in them?"""
    word = plain.encode()
    irregular = [
        b"\xff\xfe", b"\xed\xa0\x80", b"\xed\xb0\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xc1\xbf",
        b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80", b"\x81\x8d\x8f\x90\x9d", b"\xc3",
        b"\xe2\x82", b"\xa4", b"\xbd\xbc",
    ]  # fmt: skip
    return [
        *((part + b" " + word + b" " + part, True) for part in irregular),
        *((part + b" gajvo", False) for part in irregular),
        (accented.encode(), True),
        (accented.encode("cp1252"), True),
        (accented.upper().encode("cp1252"), True),
        (unicodedata.normalize("NFD", accented).encode(), True),
        (b"\x93" + word + b"\x94 \x85", True),
        (b"\xe9t\xe9 " + word.upper(), True),
        (f"\u00a0\u2003{plain}\u3000\u2028".encode(), True),
        (word + b"\xe9", False),
        (word[:-1], False),
    ]


@pytest.mark.scenario("B01")
@cells
def test_queries_in_any_encoding_count_and_are_compared(
    daemon: Daemons, ask: Ask, diary: Diary, case: Case, name: str
) -> None:
    """Few at a time and many at once: each counts, and an entry is known among broken bytes."""
    reader = daemon(case)
    with_format(reader.settings, name)
    queries = odd_queries(*entries(reader))
    serial = iter(range(10_000))
    reader.start()
    searched = 0
    for batch in (queries[:20], queries, queries * 3):
        lines = [rendered(name, wall(), f"2001:db8::{next(serial):x}", query) for query, _ in batch]
        with diary.log.open("ab") as log:
            log.write(b"".join(lines))
        searched += len(batch)
        reader.look(searched)
        again(reader, case)
    assert reader.tally().total == reader.tally().distinct == searched
    flagged = sum(yes for batch in (queries[:20], queries * 4) for _, yes in batch)
    metrics = ask(reader, "/metrics").text
    assert f'donkeywatch_topic_queries_total{{topic="pedophile"}} {float(flagged)}' in metrics
    lines_read = sum(n for (n,) in diary.query("select value from counters where name = 'lines'"))
    assert lines_read == searched * (3 if name == "enode-go" else 1)
    reader.stop()


# -- B02 ------------------------------------------------------------------------------------

FORGING = (
    "\0", "\a", "\b", "\t", "\v", "\f", "\r", "\x1b[2J\x1b[31m", "\x1b]0;x\a", "\x1c", "\x7f",
    "\x85", "\x9b31m", "\u2028", "\u2029", "\u202e", "\ufeff", "%s%n%d", "{0}", "[red]", "\\n",
    "\rERROR forged by ", "\r\x1b[KINFO stopped ",
)  # fmt: skip


@pytest.mark.scenario("B02")
def test_nothing_of_a_line_reaches_our_own_log(
    daemon: Daemons, reasons: Reasons, run: Run, diary: Diary, case: Case
) -> None:
    """In query, stamp and address; through rotation, reload, the verbs and an end."""
    reader, canary = daemon(case), "zqcanary"

    def written() -> bytes:
        lines: list[str] = []
        for number, forging in enumerate(FORGING):
            text = f"{canary}{forging}{canary}"
            lines += [
                f"{stamp(wall())}\t2001:db8::{number:x}\t{text}\n",
                f"{text}\t192.0.2.1\t{text}\n",
                f"{stamp(wall())}\t{text}\t{text}\n",
            ]
        lines += [f"ERROR {canary} forged\n", f"Traceback {canary}\n", f"\n{canary}\n"]
        return "".join(lines).encode("utf-8", "surrogatepass")

    data = written()
    reader.start()
    before = diary.log.with_name("search.log.1")
    for number in (1, 2):
        with diary.log.open("ab") as log:
            log.write(data)
        reader.until(lambda n=number: diary.lines() == n * data.count(b"\n"))  # type: ignore[misc]
        again(reader, case)
    reader.until(lambda: not reasons(reader))
    diary.log.rename(before)
    reader.until(lambda: "not there yet" in reader.log_text())
    diary.log.write_bytes(written())  # The same lines would be a copy.
    reader.until(lambda: diary.lines() == 3 * data.count(b"\n"))
    lexicon = reader.settings.parent / "archive" / "lexicon.toml"
    valid = lexicon.read_text()
    lexicon.write_text(f"{valid}\n{canary} = \x1b\n")
    reader.signal(signal.SIGHUP)
    reader.until(lambda: "settings not reloaded" in reader.log_text())
    lexicon.write_text(valid)
    reader.signal(signal.SIGHUP)
    reader.until(lambda: "settings reloaded" in reader.log_text())
    reader.stop()
    rows = dict(diary.query("select detail, value from counters where name = 'lines'"))
    count = len(FORGING)
    wanted = {"query": 3 * count, "bad_time": 3 * count, "bad_address": 3 * count, "other": 12}
    assert {name: n for name, n in rows.items() if n} == wanted
    message = reader.errors.read_bytes()
    assert canary.encode() not in message
    assert not re.search(rb"[^\n\x20-\x7e]", message)
    assert all(re.match(rb"(INFO|WARNING|ERROR) ", line) for line in message.splitlines())
    for argv in (("check", diary.log), ("backfill", diary.log, before), ("status",)):
        _, notice = run(argv[0], *argv[1:], "--config", reader.settings)
        assert canary not in notice
        assert "forged" not in notice
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]", notice)


# -- B03 ------------------------------------------------------------------------------------


@pytest.mark.scenario("B03")
def test_line_ends_and_marks_of_other_systems(daemon: Daemons, diary: Diary, case: Case) -> None:
    """CRLF and a byte order mark are no part of a line; a lone CR separates words, not lines."""
    reader = daemon(case)
    reader.start()
    mark, now, serial = b"\xef\xbb\xbf", wall(), iter(range(10_000))

    def line(query: bytes) -> bytes:
        return f"{stamp(now)}\t2001:db8::{next(serial):x}\t".encode() + query

    expected: Counter[str] = Counter()
    for copies in (1, 40):
        data = mark + line(b"zqorv\r\n")
        data += b"".join(line(b"zqorv\r\n") for _ in range(copies))
        data += line(b"zqorv\rzqimba\r\r\n") + line(b"\r\n") + b"\r\n" + b"\r\r\n" + mark + b"\r\n"
        data += mark + line(b"\xef\xbb\xbfzqorv\n") + line(b"\r" * 9 + b"zqorv\n")
        data += line(b"zqorv") + b"\r" + line(b"zqimba\n")
        expected += Counter({"query": 5 + copies, "keywordless": 1, "other": 3})
        with diary.log.open("ab") as log:
            log.write(data)
        total = expected.total()
        reader.until(lambda n=total: diary.lines() == n)  # type: ignore[misc]
        again(reader, case)
    reader.stop()
    diary.outcomes = expected
    rows = dict(diary.query("select detail, value from counters where name = 'lines'"))
    assert {name: n for name, n in rows.items() if n} == dict(expected)


WIDE = pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])


def wide(codec: str) -> bytes:
    """A log as some systems write it, with its mark."""
    text = "".join(f"{stamp(wall())}\t192.0.2.{n}\tzqorv\r\n" for n in range(1, 9))
    return ("\ufeff" + text).encode(codec)


@pytest.mark.scenario("B03")
@WIDE
def test_a_log_in_utf_16_is_refused(
    daemon: Daemons, reasons: Reasons, diary: Diary, case: Case, codec: str
) -> None:
    """Not ready, with the reason and a remedy; a log in UTF-8 in its place is counted whole."""
    diary.log.write_bytes(wide(codec))
    reader = daemon(case)
    reader.start()
    reader.until(lambda: "search.log is UTF-16 -> have the server write UTF-8" in reasons(reader))
    again(reader, case)
    reader.until(lambda: "is UTF-16" in reasons(reader))
    diary.log.rename(diary.log.with_name("kept-away"))
    diary.write(*range(wall() - 9, wall()))
    reader.look(len(diary.requests))
    reader.until(lambda: not reasons(reader))
    reader.stop()
    diary.exact()


@pytest.mark.scenario("B03")
@WIDE
def test_a_daemon_says_in_its_own_log_that_it_begins_with_utf_16(
    daemon: Daemons, reasons: Reasons, diary: Diary, codec: str
) -> None:
    """The journal has the reason too, not only who asks `/readyz`."""
    diary.log.write_bytes(wide(codec))
    reader = daemon(Case())
    reader.start()
    reader.until(lambda: "is UTF-16" in reasons(reader))
    reader.stop()
    assert "WARNING not ready: source simulated: " in reader.log_text()


@pytest.mark.scenario("B03")
@WIDE
@pytest.mark.parametrize("verb", ["check", "check without settings", "backfill"])
def test_a_file_in_utf_16_is_refused_by_the_verbs(
    daemon: Daemons, run: Run, diary: Diary, codec: str, verb: str
) -> None:
    """Exit code 5, and in so many words."""
    path = diary.log.with_name("old.log")
    path.write_bytes(wide(codec))
    argv: tuple[str | Path, ...] = ("--config", daemon(Case()).settings)
    if "without" in verb:
        argv = ("--format", "tsv")
    code, message = run(verb.partition(" ")[0], *argv, path)
    assert "is UTF-16" in message
    assert code == 5


@pytest.mark.scenario("B03")
@WIDE
@pytest.mark.parametrize("how", ["created empty", "truncated", "rotated"])
def test_a_file_that_becomes_utf_16_is_refused_too(
    daemon: Daemons,
    reasons: Reasons,
    diary: Diary,
    codec: str,
    how: str,
) -> None:
    """The mark comes into a file that is open already, or stands in one beside the log."""
    reader = daemon(Case(wakeup="polling"))
    diary.log.touch()
    reader.start()
    if how != "created empty":
        diary.write(*range(wall() - 9, wall()))
        reader.look(9)
    if how == "rotated":
        diary.log.with_name("search.log.1").write_bytes(wide(codec))
    else:
        diary.log.write_bytes(wide(codec))
    reader.until(lambda: "is UTF-16" in reasons(reader))
    reader.stop()
    diary.exact()


# -- B04 ------------------------------------------------------------------------------------

LIMIT = 256
PIECES = (
    b"\t", b"\n", b"\r", b"\0", b"\x1b[0m", b'"', b"\\", b"{", b"}", b"]", b'","', b'TEXT("',
    b"AND(", b")", b" expr=", b"\\ud800", b"\\x", b"\xef\xbb\xbf", b"\xc3", b"\xff", b"related::",
    b"99999999999", b"0001-01-01T00:00:00Z", b"2099-01-01T00:00:00.000Z", b"16777", b"x" * 270,
    b"192.0.2.7", b"2001:db8::7", b"NOT ",
)  # fmt: skip


@st.composite
def noise(draw: st.DrawFn, name: str) -> bytes:
    """Lines of the format, damaged, among any bytes."""
    parts = []
    for _ in range(draw(st.integers(0, 8))):
        kind = draw(st.integers(0, 3))
        if kind == 0:
            parts.append(draw(st.binary(max_size=24)))
        elif kind == 1:
            parts.append(draw(st.sampled_from(PIECES)))
        else:
            line = rendered(
                name, NOW - draw(st.integers(0, 10**6)), f"192.0.2.{draw(st.integers(1, 254))}",
                draw(st.binary(max_size=12)).replace(b"\n", b" "), draw(st.integers(0, 999)),
            )  # fmt: skip
            if kind == 3:
                at = draw(st.integers(0, len(line)))
                damage = draw(st.sampled_from(PIECES) | st.binary(max_size=2))
                line = line[:at] + damage + line[at + draw(st.integers(0, 3)) :]
            parts.append(line)
    return b"".join(parts).lstrip(b"\0") * draw(st.sampled_from((1, 1, 9)))


@pytest.mark.scenario("B04")
@pytest.mark.parametrize("name", FORMATS)
def test_any_bytes_at_all_have_the_outcomes_of_their_lines(
    stepped: Engines, diary: Diary, name: str
) -> None:
    """Never an exception; the engine's counters are those of one line after the other."""
    engine = stepped(Case(), NOW)
    with_format(engine.settings, name, f"max_line = {LIMIT}\n")
    chosen = load(engine.settings, {})
    reader = line_reader(chosen.source[0], Detector(ReferenceData.load(chosen).lexicon))
    diary.log.write_bytes(rendered(name, NOW, "192.0.2.1", b"zqorv"))
    expected: Counter[str] = Counter({"query": 1, **({"other": 2} if name == "enode-go" else {})})
    newest = NOW
    engine.start()

    def outcome(line: bytes) -> str:
        nonlocal newest
        result = reader.read(line)
        if not isinstance(result, ParsedQuery):
            return result
        if result.time > engine.now + 300_000:
            return "future"
        before, newest = newest, max(newest, result.time)
        return "too_late" if result.time < before - 7 * 86_400_000 else "query"

    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(noise(name))
    def hold(data: bytes) -> None:
        with diary.log.open("ab") as log:
            log.write(data + b"\n")
        engine.now += Clocks.STEP
        expected.update(outcome(line) for line in (data + b"\n").split(b"\n")[:-1])
        engine.now -= Clocks.STEP
        engine.tick()
        rows = dict(diary.query("select detail, value from counters where name = 'lines'"))
        assert {what: n for what, n in rows.items() if n} == dict(expected)
        assert engine.engine is not None
        assert engine.engine.status().sources[0].lag_bytes == 0

    hold()
    assert {"query", "other"} <= set(expected)


@pytest.mark.scenario("B04")
def test_every_line_has_one_outcome(daemon: Daemons, diary: Diary, case: Case) -> None:
    """Known lines and the outcomes that the documentation gives them."""
    now = stamp(wall())
    lines = {
        "query": [
            f"{now}\t[2001:db8::1]:4662\tzqorv", f"{now}\t::ffff:192.0.2.9\t\tzqorv",
            f"\0\0{now}\t192.0.2.1\té", f"\ufeff{now}\t192.0.2.1:1\t1", f"{now}\t117571776\tzqorv",
        ],
        "keywordless": [f"{now}\t192.0.2.1\t{text}" for text in ("", "related::a", "\0-")],
        "other": ["", "\t", "zqorv", "\0\0\0", '{"zqorv": 1}', f"{now}\t192.0.2.1"],
        "too_long": [f"{now}\t192.0.2.1\t{'z' * 70_000}", "\t" * 65_537],
        "bad_time": [f"{at}\t192.0.2.1\tzqorv" for at in ("", "yesterday", "0001-01-01T00:00:00Z")],
        "bad_address": [f"{now}\t{who}\tzqorv" for who in ("999.0.2.1", "16", "", "192.0.2.1 ")],
        "future": ["99999999999\t192.0.2.1\tzqorv", "2200-01-01T00:00:00Z\t192.0.2.1\tzqorv"],
        "too_late": ["2001-01-01T00:00:00Z\t192.0.2.1\tzqorv"],
    }  # fmt: skip
    reader = daemon(case)
    reader.start()
    for _ in range(2):
        for outcome, ones in lines.items():
            with diary.log.open("a") as log:
                log.writelines(item + "\n" for item in ones)
            diary.outcomes[outcome] += len(ones)
        reader.until(lambda: diary.lines() == diary.outcomes.total())
        again(reader, case)
    reader.stop()
    rows = dict(diary.query("select detail, value from counters where name = 'lines'"))
    assert {name: n for name, n in rows.items() if n} == dict(diary.outcomes)


@pytest.mark.scenario("B04")
@cells
def test_a_real_daemon_reads_any_bytes(
    daemon: Daemons, ask: Ask, diary: Diary, case: Case, name: str
) -> None:
    """Noise in pieces: alive, and lines = queries + keywordless + other + rejected."""
    rng = random.Random(f"{name} {case}")
    reader = daemon(case)
    with_format(reader.settings, name, f"max_line = {LIMIT}\n")
    reader.start()
    written = 0
    for part in range(3):
        lines = []
        for _ in range(300):
            line = rendered(name, wall(), f"198.51.100.{rng.randrange(256)}", rng.randbytes(9))
            if rng.random() < 0.5:
                at = rng.randrange(len(line))
                line = line[:at] + rng.choice((rng.randbytes(3), *PIECES)) + line[at:]
            lines.append(line if rng.random() < 0.9 else rng.randbytes(rng.randrange(999)))
        data = b"".join(lines) + b"\n"
        with diary.log.open("ab") as log:
            log.write(data)
        written += data.count(b"\n")
        reader.until(lambda n=written: diary.lines() == n)  # type: ignore[misc]
        if part == 1:
            again(reader, case)
    metrics = ask(reader, "/metrics").text
    message = re.findall(r'^donkeywatch_lines_total\{outcome="(\w+)".*\} (\S+)$', metrics, re.M)
    reader.stop()
    rows = dict(diary.query("select detail, value from counters where name = 'lines'"))
    assert {what: float(n) for what, n in message if float(n)} == {
        k: n for k, n in rows.items() if n
    }
    assert sum(rows.values()) == written
    assert "Traceback" not in reader.log_text()
    hours = diary.query("select sum(queries) from windows where kind = 'hour'")
    assert hours == [(rows["query"],)]
