"""XF and XH: archives by what they are, and lines that stand in those of others."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from conformance.cases import Daemons, Reasons, Run
from conformance.diary import Diary, again, amend, stamp
from conformance.readers import Daemon
from conformance.site import Case
from conformance.test_bytes import wall
from donkeywatch.settings.schema import WrapperName
from donkeywatch.simulation import simulation_directory

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "zstd": zstandard.compress, "xz": lzma.compress,
    "bzip2": bz2.compress, "lz4": lz4.frame.compress,
}  # fmt: skip
DEPLOYMENT = Path(__file__).parents[2] / "docs" / "deployment.md"
FIRST = Case()
BOTH = pytest.mark.parametrize("case", [Case(), Case(wakeup="polling", end="kill")], ids=str)


def old(diary: Diary, name: str, count: int = 300, *, hours: int = 30) -> Path:
    """A finished log of so many queries, some hours ago."""
    path = diary.log.parent.parent / name
    begin = wall() - hours * 3_600_000
    diary.write(*range(begin, begin + 1000 * count, 1000), log=path)
    return path


def nine(diary: Diary) -> None:
    """Nine queries, now."""
    end = wall()
    diary.write(*range(end - 9, end))


def stored(diary: Diary) -> int:
    """Queries in the database."""
    rows = diary.query("select sum(value) from counters where name = 'lines'")
    return int(rows[0][0] or 0)


# -- XF -------------------------------------------------------------------------------------


@pytest.mark.scenario("XF1")
@pytest.mark.parametrize("kind", list(PACK))
def test_archives_under_any_name(daemon: Daemons, run: Run, diary: Diary, kind: str) -> None:
    """What they are is told by their first bytes; text that is called an archive is text."""
    settings = daemon(FIRST).settings
    names = ("search.log.gz.1", "search.log.2.GZ", "search.log.bak", "notes.txt.zst", "a.log.5.bz2")
    files = [old(diary, name, hours=30 + 2 * i) for i, name in enumerate(names)]
    for path in files[1:]:
        path.write_bytes(PACK[kind](path.read_bytes()))
    code, message = run("backfill", "-c", settings, *files)
    assert code == 0, message
    assert message.count("300 lines counted (300 query)") == len(files)
    code, message = run("backfill", "-c", settings, *files)
    assert message.count("counted before, nothing new") == len(files), message
    diary.exact()


@pytest.mark.scenario("XF2")
@pytest.mark.parametrize("kind", list(PACK))
def test_one_damaged_archive_of_many(daemon: Daemons, run: Run, diary: Diary, kind: str) -> None:
    """The others count, and what stands before the damage; a restored one goes on from there."""
    settings = daemon(FIRST).settings
    files = [old(diary, f"search.log.{i}", hours=60 - i) for i in range(8)]
    for path in files:
        path.write_bytes(PACK[kind](path.read_bytes()))
    damaged, missing = files[3], files[0].with_name("search.log.99")
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) * 9 // 10])
    code, message = run("backfill", "-c", settings, *files, missing)
    assert code == 5
    assert message.count("300 lines counted (300 query)") == 7, message
    assert "search.log.3: damaged, cut short" in " ".join(message.split())
    assert "search.log.99: No such file" in " ".join(message.split())
    before = stored(diary) - 7 * 300
    if kind in ("gzip", "zstd"):
        decoded = subprocess.run([kind, "-dcqf"], input=damaged.read_bytes(), capture_output=True)
        lines = decoded.stdout.count(b"\n")
        # Of zstd the program gives whole blocks alone, and so do we.
        assert before == lines
    assert 0 <= before < 300
    assert run("backfill", "-c", settings, damaged)[0] == 5
    assert stored(diary) == before + 7 * 300
    damaged.write_bytes(whole)
    code, message = run("backfill", "-c", settings, *files)
    assert code == 0, message
    diary.exact()


@pytest.mark.scenario("XF3")
@pytest.mark.parametrize("kind", list(PACK))
@pytest.mark.parametrize("behind", [bytes(512), b"zqorv\n" * 40], ids=["padding", "garbage"])
def test_what_stands_behind_an_archive(
    daemon: Daemons, run: Run, diary: Diary, kind: str, behind: bytes
) -> None:
    """Two members and what is none: both are read, the rest is ignored, and it is said."""
    path = old(diary, "search.log.1")
    lines = path.read_bytes().splitlines(keepends=True)
    halves = b"".join(lines[:150]), b"".join(lines[150:])
    path.write_bytes(b"".join(map(PACK[kind], halves)) + behind)
    code, message = run("backfill", "-c", daemon(FIRST).settings, path)
    assert code == 0
    assert f"{len(behind)} bytes behind the end of the archive ignored" in message
    diary.exact()


TEXT = b"2026-11-23T10:44:36.285Z\t192.0.2.7\tzqorv\n"
NO_LOGS = {
    "a zip archive": b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(range(90)) * 9,
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(200),
    "a rar archive": b"Rar!\x1a\x07\x01\0" + bytes(200),
    "packed by compress (.Z)": b"\x1f\x9d\x90" + bytes(range(200)),
    "a tar archive": b"search.log".ljust(257, b"\0") + b"ustar\x0000" + TEXT * 40,
    "an archive of an archive": gzip.compress(gzip.compress(TEXT * 40)),
    "UTF-16": (TEXT * 9).decode().encode("utf-16-le"),
    "UTF-16 ": (TEXT * 9).decode().encode("utf-16-be"),
    "UTF-32": (TEXT * 9).decode().encode("utf-32"),
    "a program": b"\x7fELF\x02\x01\x01" + bytes(9) + TEXT * 40,
    "an SQLite database": b"SQLite format 3\0\x10\0" + TEXT * 40,
    "an image": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + TEXT * 40,
    "binary": random.Random(4).randbytes(9000),
}


@pytest.mark.scenario("XF4")
@pytest.mark.parametrize("kind", list(NO_LOGS))
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_what_is_no_log_is_named(
    daemon: Daemons, run: Run, diary: Diary, kind: str, packed: bool
) -> None:
    """And refused with a remedy, packed or not; the file beside it is counted."""
    settings = daemon(FIRST).settings
    path = diary.log.parent.parent / "search.log.1"
    path.write_bytes(gzip.compress(NO_LOGS[kind]) if packed else NO_LOGS[kind])
    for argv in (("check", "-c", settings, path), ("check", "--format", "tsv", path)):
        code, message = run(*argv)
        assert code == 5
        assert f"is {kind.strip()}" in " ".join(message.split())
    code, message = run("backfill", "-c", settings, path, old(diary, "search.log.2"))
    assert code == 5
    assert f"is {kind.strip()}" in " ".join(message.split())
    assert "remedy:" in message
    diary.exact()


@pytest.mark.scenario("XF4")
@pytest.mark.parametrize("kind", ["a zip archive", "UTF-16", "an SQLite database"])
def test_the_log_itself_may_be_none(
    daemon: Daemons, reasons: Reasons, diary: Diary, kind: str
) -> None:
    """The daemon is not ready and says what it found; a log in its place is counted whole."""
    diary.log.write_bytes(NO_LOGS[kind])
    reader = daemon(Case(wakeup="polling"))
    reader.start()
    reader.until(lambda: f"search.log is {kind}" in reasons(reader))
    diary.log.unlink()
    nine(diary)
    reader.look(len(diary.requests))
    reader.until(lambda: not reasons(reader))
    reader.stop()
    diary.exact()


@pytest.mark.scenario("XF4")
@pytest.mark.parametrize("first", [bytes(9000), b"\x1b[1m", b"\xef\xbb\xbf"])
def test_a_log_with_an_odd_front_is_a_log(
    daemon: Daemons, run: Run, diary: Diary, first: bytes
) -> None:
    """A hole, a colour and a mark are none of those; nor is a query of any bytes at all."""
    path = diary.log.parent.parent / "search.log.1"
    query = bytes(n for n in range(256) if n != 10) * 20
    path.write_bytes(first + TEXT.replace(b"zqorv", query) + TEXT)
    code, message = run("check", "--format", "tsv", path)
    assert code == 0, message
    assert " is " not in message


@pytest.mark.scenario("XF5")
@BOTH
def test_a_damaged_rotated_file_holds_nothing_up(daemon: Daemons, diary: Diary, case: Case) -> None:
    """The live log and the others are read on, and a whole copy in its place goes on behind."""
    reader = daemon(case)
    nine(diary)
    reader.start()
    reader.look(9)
    first, second = (old(diary, f"{n}.log", hours=n) for n in (3, 2))
    for path, name in ((first, "search.log.2.bz2"), (second, "search.log.1.lz4")):
        kind = "bzip2" if name.endswith("2") else "lz4"
        packed = PACK[kind](path.read_bytes())
        if kind == "lz4":
            packed = packed[:-20]
        part = diary.log.with_name("part")
        part.write_bytes(packed)
        part.rename(diary.log.with_name(name))
    nine(diary)
    reader.look(9 + 300 + 9)
    with lz4.frame.open(diary.log.with_name("search.log.1.lz4"), "wb") as whole:
        whole.write(second.read_bytes())
    reader.look(len(diary.requests))
    again(reader, case)
    reader.stop()
    diary.exact()


@pytest.mark.scenario("XF6")
def test_a_file_name_forges_no_line(daemon: Daemons, run: Run, diary: Diary) -> None:
    """What cannot be printed is escaped, in messages and in the daemon's own log."""
    settings = daemon(FIRST).settings
    irregular = old(diary, "a\nforged: 9 lines counted\x1b[2J.log")
    code, message = run("backfill", "-c", settings, irregular, irregular.with_name("b\nforged.log"))
    assert code == 5
    assert r"a\nforged: 9 lines counted\x1b[2J.log: 300 lines counted" in message
    assert not [line for line in message.splitlines() if line.strip().startswith("forged")]
    assert "\x1b[2J" not in message


@pytest.mark.scenario("XF6")
def test_a_rotated_file_name_forges_no_line(daemon: Daemons, diary: Diary) -> None:
    """The daemon names what it cannot read."""
    reader = daemon(Case(wakeup="polling"))
    amend(reader.settings, "[[source]]", '[[source]]\nrotated = ["search.log*"]')
    nine(diary)
    reader.start()
    reader.look(9)
    diary.log.with_name("search.log\nWARNING forged").symlink_to("/proc/1/mem")
    nine(diary)
    reader.look(18)
    reader.stop()
    assert not [
        line for line in reader.log_text().splitlines() if line.startswith("WARNING forged")
    ]


@pytest.mark.scenario("XF7")
@pytest.mark.parametrize("kind", ["gzip", "zstd", "xz"])
def test_an_archive_that_stands_for_very_much(daemon: Daemons, diary: Diary, kind: str) -> None:
    """A gigabyte of one line in a few bytes: memory is bounded, and the live log is read on."""
    reader = daemon(Case(wakeup="polling"))
    nine(diary)
    reader.start()
    reader.look(9)
    pieces = {
        "gzip": lambda: gzip.compress(b"z" * (64 << 20), 9),
        "zstd": lambda: zstandard.compress(b"z" * (64 << 20)),
        "xz": lambda: lzma.compress(b"z" * (64 << 20), preset=0),
    }
    part = diary.log.with_name("part")
    part.write_bytes(pieces[kind]() * 8 + PACK[kind](b"\n"))
    diary.outcomes["too_long"] += 1
    part.rename(diary.log.with_name("search.log.1"))
    for _ in range(5):
        diary.write(wall())
        reader.look(len(diary.requests))
    reader.until(lambda: diary.lines() == len(diary.requests) + 1)
    status = Path(f"/proc/{reader.pid}/status").read_text()
    assert int(status.partition("VmHWM:")[2].split()[0]) < 300 << 10
    reader.stop()
    diary.exact()


# -- XH -------------------------------------------------------------------------------------


def wrap(name: WrapperName, line: str, *, ends: bool = True, stream: str = "stdout") -> str:
    """A line of the server, or a piece of one, as it stands in the file."""
    at = "2026-11-23T11:00:00.123456789Z"
    if name == "docker":
        return json.dumps({"log": line + "\n" * ends, "stream": stream, "time": at}) + "\n"
    if name == "cri":
        return f"{at} {stream} {'F' if ends else 'P'} {line}\n"
    return f"<134>1 {at} host enode 12 - - {line}\n"


def wrapping(reader: Daemon, name: WrapperName) -> None:
    """Set the wrapper of the source."""
    amend(
        reader.settings,
        simulation_directory.source_settings("tsv"),
        simulation_directory.source_settings("tsv") + f'wrapper = "{name}"\n',
    )


class Wrapped:
    """Queries that are written to the diary and, wrapped, to the log."""

    def __init__(self, diary: Diary, name: WrapperName) -> None:
        self._diary, self._name = diary, name
        self._plain = diary.log.with_name("plain")

    def lines(self, count: int) -> list[str]:
        """So many queries, not yet in the log."""
        end = wall()
        self._diary.write(*range(end - count, end), log=self._plain)
        return self._plain.read_text().splitlines()[-count:]

    def append(self, text: str) -> None:
        """Into the log."""
        with self._diary.log.open("a") as log:
            log.write(text)

    def write(self, count: int) -> None:
        """So many queries, each in one record."""
        self.append("".join(wrap(self._name, line) for line in self.lines(count)))


@pytest.mark.scenario("XH1")
@pytest.mark.parametrize("name", ["docker", "cri"])
@BOTH
def test_lines_in_pieces(daemon: Daemons, diary: Diary, name: WrapperName, case: Case) -> None:
    """Each piece is written by itself, the other output's lines and restarts between them."""
    reader = daemon(case)
    wrapping(reader, name)
    wrapped = Wrapped(diary, name)
    wrapped.write(5)
    reader.start()
    reader.look(5)
    for round_number in range(3):
        [line] = wrapped.lines(1)
        size = len(line) // 3
        pieces = line[:size], line[size : 2 * size], line[2 * size :]
        for i, piece in enumerate(pieces):
            wrapped.append(wrap(name, piece, ends=i == 2))
            wrapped.append(wrap(name, "a banner", stream="stderr"))
            diary.outcomes["other"] += 1
            reader.look(len(diary.requests) if i == 2 else len(diary.requests) - 1)
            if round_number == i:
                again(reader, case)
    wrapped.write(3)
    reader.look(len(diary.requests))
    reader.until(lambda: diary.lines() == diary.outcomes.total())
    again(reader, case)
    reader.stop()
    diary.exact()


@pytest.mark.scenario("XH2")
@pytest.mark.parametrize("name", ["docker", "cri", "syslog"])
@BOTH
def test_wrapped_logs_are_rotated_and_packed(
    daemon: Daemons, diary: Diary, name: WrapperName, case: Case
) -> None:
    """As any log is; nothing is counted twice."""
    reader = daemon(case)
    wrapping(reader, name)
    wrapped = Wrapped(diary, name)
    wrapped.write(50)
    reader.start()
    reader.look(50)
    wrapped.write(30)
    rotated = diary.log.rename(diary.log.with_name("search.log.1"))
    wrapped.write(20)
    reader.look(100)
    packed = rotated.with_name("search.log.1.gz")
    packed.write_bytes(gzip.compress(rotated.read_bytes()))
    rotated.unlink()
    again(reader, case)
    wrapped.write(5)
    reader.look(105)
    reader.stop()
    diary.exact()


@pytest.mark.scenario("XH4")
@pytest.mark.parametrize("name", ["docker", "cri", "syslog"])
def test_recipes_read_what_they_are_for(
    daemon: Daemons, run: Run, diary: Diary, name: WrapperName
) -> None:
    """The settings in docs/deployment.md, with lines of eNode-go."""
    settings = daemon(FIRST).settings
    text = settings.read_text()
    start = text.index("[[source]]")
    end = text.index("[", start + len("[[source]]"))
    settings.write_text(text[:start] + recipe(f'wrapper = "{name}"') + text[end:])
    at = stamp(wall() - 60_000).encode()
    line = at + (
        b"\tDEBUG\t[module=tcp] tcp payload parsed remote=192.0.2.7 opcode=OP_SEARCHREQUEST"
        b' expr=AND(TEXT("zqorv"),TEXT("plim"))'
    )
    diary.log.write_text(wrap(name, line.decode()) * 5)
    # The directories of the recipe are not here.
    code, message = run("check", "--format", "enode-go", "--wrapper", name, diary.log)
    assert code == 0, message
    assert re.search(r"query\W+5\b", message)
    code, message = run("check", "-c", settings)
    assert "no such directory" in message
    assert code == 5


@pytest.mark.scenario("XH3")
@pytest.mark.parametrize("form", ["Traditional", "", "SyslogProtocol23"])
def test_a_log_that_rsyslog_writes(
    daemon: Daemons, need: Callable[[str], str], diary: Diary, form: str
) -> None:
    """The lines are sent as a program's are, and stand in each of its forms in the file."""
    reader = daemon(Case(wakeup="polling"))
    wrapping(reader, "syslog")
    reader.start()
    wrapped = Wrapped(diary, "syslog")
    with rsyslog(need("rsyslogd"), diary, f"RSYSLOG_{form}FileFormat" if form != "SyslogProtocol23"
                 else "RSYSLOG_SyslogProtocol23Format") as send:  # fmt: skip
        for line in wrapped.lines(20):
            send(line)
        reader.look(20)
    reader.stop()
    diary.exact()


def recipe(part: str) -> str:
    """The block of docs/deployment.md that holds this."""
    blocks = re.findall(r"```\w*\n(.*?)```", DEPLOYMENT.read_text("utf-8"), re.DOTALL)
    [items] = [block for block in blocks if part in block]
    return str(items)


@contextmanager
def rsyslog(program: str, diary: Diary, template: str) -> Iterator[Callable[[str], None]]:
    """A syslog daemon that writes what it is sent to the log."""
    place = Path(os.environ.get("TMPDIR", "/tmp")) / f"dw-{time.time_ns()}"  # A short path.
    place.mkdir(mode=0o700)
    config = place / "rsyslog.conf"
    config.write_text(
        f'global(workDirectory="{place}")\nmodule(load="imuxsock" SysSock.Use="off")\n'
        f'input(type="imuxsock" Socket="{place}/log")\n'
        + recipe("$programname")
        .replace("/var/log/enode/search.log", str(diary.log))
        .replace("RSYSLOG_FileFormat", template)
    )
    process = subprocess.Popen([program, "-n", "-f", config, "-i", place / "pid"])
    try:
        until = time.monotonic() + 20
        while not (place / "log").exists() or not (place / "pid").exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sender:
            sender.connect(str(place / "log"))

            def send(line: str) -> None:
                sender.sendall(f"<134>Nov 29 01:02:03 enode[7]: {line}".encode())

            yield send
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(place)


@pytest.mark.scenario("XH4")
@pytest.mark.parametrize("name", ["docker", "cri", "syslog"])
def test_check_tells_the_wrapper_and_the_rate(run: Run, diary: Diary, name: WrapperName) -> None:
    """A sample in a format that stands in others' lines is known, and what is read slowly, too."""
    Wrapped(diary, name).write(60)
    code, message = run("check", "--format", "tsv", diary.log)
    assert code == 5
    assert f'`wrapper = "{name}"`' in message
    assert re.search(r"query\W+60\b", message)
    code, message = run("check", "--format", "tsv", "--wrapper", name, diary.log)
    assert code == 0, message
    assert re.search(r"query\W+60\b", message)
    assert "lines/s" in message
    code, message = run("check", "--format", "tsv", diary.log.with_name("plain"))
    assert code == 0, message
    assert "lines/s" not in message


@pytest.mark.scenario("XH5")
def test_a_mark_before_any_text_we_read(daemon: Daemons, diary: Diary) -> None:
    """Settings, lexicon, token and log, as editors on Windows write them."""
    reader = daemon(Case(wakeup="polling"))
    token = reader.settings.with_name("token")
    token.write_text("zqorvzqorvzqorvzqorv\n")
    token.chmod(0o600)
    amend(reader.settings, "[http]", '[http]\ntoken_file = "token"')
    lexicon = reader.settings.parent / "archive" / "lexicon.toml"
    nine(diary)
    for path in (reader.settings, token, lexicon, diary.log):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    reader.start()
    reader.look(9)
    reader.stop()
    diary.exact()


@pytest.mark.scenario("XH6")
@pytest.mark.parametrize("digits", [10, 13, 16, 19])
@BOTH
def test_unix_times_in_every_unit(daemon: Daemons, diary: Diary, digits: int, case: Case) -> None:
    """Told apart by their digits, in small pieces and by columns alike."""
    reader = daemon(case)

    def stamp(time: int) -> str:
        return f"{time}000000"[:digits]

    begin = wall() // 1000 * 1000 - 400_000
    diary.write(*range(begin, begin + 200_000, 1000), stamp=stamp)
    reader.start()
    reader.look(200)
    diary.write(begin + 300_000, stamp=stamp)
    reader.look(201)
    reader.stop()
    diary.exact()
