"""Z: no address and no word leaves the memory it was read into, and nothing is left open."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conformance.cases import TWO, Ask, Begun, Make, Prepared
from conformance.fork_server import ForkServer
from conformance.readers import Daemon
from conformance.site import Case, Site
from conformance.surroundings import Nobody, fill, refused, tmpfs
from support.canaries import ADDRESSES, LEXICON, WORDS, assert_none_in, contents, forms, needles

PATHS = ("/", "/metrics", "/api/v1/fractions", "/api/v1/hours", "/api/v1/weeks", "/readyz",
         "/api/v1/weeks?format=csv", "/api/v1/profile", "/openapi.json", "/healthz",
         f"/{WORDS[0]}", f"/api/v1/profile?topic={WORDS[1]}",
         f"/api/v1/hours?from={WORDS[2]}")  # fmt: skip


def lines() -> tuple[bytes, int]:
    """Normal use and everything that can go wrong in a line, all with canaries; and how many."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
    a, b, c, d, _ = words = [word.encode() for word in WORDS]
    items = [
        now + b"\t" + form.encode() + b"\t" + words[number % 5] + b" " + words[(number + 1) % 5]
        for address in ADDRESSES
        for number, form in enumerate(forms(address))
    ]
    for address in ADDRESSES:
        raw = address.encode()
        items += [
            now + b"\t" + raw + b"\t" + a + b"," + b,
            b"not a stamp\t" + raw + b"\t" + a,
            now + b"\t" + b + b"\t" + raw,
            now + b"\tnot an address " + raw + b"\t" + c,
            b"2099-01-01T00:00:00Z\t" + raw + b"\t" + a,
            b"2001-01-01T00:00:00Z\t" + raw + b"\t" + b,
            a + b" " + raw + b" no tabs at all",
            now + b"\t" + raw + b"\t" + c * 5_100,
            now + b"\t" + raw + b"\t\xff\xfe\x00" + d + b"\x1b[31m\r",
            now + b"\t" + raw + b"\t" + "zqvcanaryé".encode("latin-1"),
            now + b"\t" + raw + b"\tERROR " + d + b"\xe2\x80\xa8WARNING " + raw,
        ]
    return b"\n".join(items) + b"\n", len(items)


def place(reader: Daemon, case: Case) -> Site:
    """A site whose lexicon and log are the operator's own."""
    lexicon = reader.settings.parent / "archive" / "lexicon.toml"
    lexicon.write_text(LEXICON)
    lexicon.chmod(0o600)
    return Site(reader.settings.parent, reader, case)


def pour(site: Site) -> None:
    """Canaries are logged."""
    data, count = lines()
    with site.path.open("ab") as log:
        log.write(data)
    site.written += count


def counted(ask: Ask, reader: Daemon) -> float:
    """All lines, whatever became of them."""
    match = re.findall(
        r"^donkeywatch_(?:copied_)?lines_total\{.*\} (\S+)", ask(reader, "/metrics").text, re.M
    )
    return sum(map(float, match))


def leaked(ask: Ask, reader: Daemon) -> dict[str, bytes]:
    """Everything a daemon tells over HTTP."""
    answers = {path: ask(reader, path) for path in PATHS}
    assert b"pedophile" in answers["/metrics"].content
    return {f"HTTP {path}": a.content + str(a.headers).encode() for path, a in answers.items()}


def assert_clean(directory: Path, more: dict[str, bytes]) -> None:
    """No canary in any file but the operator's own, nor in anything else."""
    kept = contents(directory, (directory / "logs", directory / "archive"))
    assert any(name.endswith("donkeywatch.db") for name in kept)
    assert_none_in(kept | more)


class Real(ForkServer):
    """Daemons of an own interpreter, so that their arguments and surroundings are their own."""

    def __init__(self) -> None:
        self._daemons: dict[int, subprocess.Popen[bytes]] = {}

    def fork(self, argv: list[str], errors: Path, files: int | None = None) -> int:
        """Start one in development mode, which warns of everything."""
        with errors.open("ab") as sink:
            command = [sys.executable, "-X", "dev", "-m", "donkeywatch", *argv]
            result = subprocess.Popen(command, stdout=sink, stderr=sink)
        self._daemons[result.pid] = result
        return result.pid

    def poll(self, pid: int) -> int | None:
        """The exit code; None while it runs."""
        return self._daemons[pid].poll()


@pytest.mark.scenario("Z01")
@pytest.mark.scenario("Z02")
@TWO
def test_canaries_in_a_real_process(tmp_path: Path, case: Case, ask: Ask) -> None:
    """Use, rejects, a bad lexicon at SIGHUP, an end and a restart; files, answers, /proc."""
    reader = Daemon(tmp_path, case, Real())
    site = place(reader, case)
    lexicon = tmp_path / "archive" / "lexicon.toml"
    observed: dict[str, bytes] = {}
    try:
        pour(site)
        reader.start()
        reader.until(lambda: counted(ask, reader) >= site.written)
        for number, slip in enumerate((f'"{WORDS[2]}" = {WORDS[3]}\n', f"[{WORDS[2]}.x]\n", "\0")):
            lexicon.write_text(LEXICON + slip)
            reader.signal(signal.SIGHUP)
            reader.until(lambda number=number: reader.log_text().count("not reloaded") > number)  # type: ignore[misc]
        pour(site)
        site.rename()
        pour(site)
        reader.until(lambda: counted(ask, reader) >= site.written)
        observed |= leaked(ask, reader)
        proc = Path(f"/proc/{reader.pid}")
        observed |= {name: (proc / name).read_bytes() for name in ("cmdline", "environ", "comm")}
        assert re.search(r"Max core file size +0 +0 ", (proc / "limits").read_text())
        lexicon.write_text(LEXICON)
        site.restart()
        reader.until(lambda: counted(ask, reader) >= site.written)
        observed |= leaked(ask, reader)
        reader.stop()
        lexicon.write_text(LEXICON + f'"{WORDS[0]}" = {WORDS[1]}\n')
        refused(reader, 7)
    finally:
        if reader.pid is not None:
            reader.close()
    assert_clean(tmp_path, observed)


@pytest.mark.scenario("Z02")
@pytest.mark.parametrize("case", [Case(end="kill"), Case(wakeup="polling", end="kill")], ids=str)
def test_canaries_where_nothing_can_be_stored(
    daemon: Make, case: Case, tmp_path: Path, ask: Ask
) -> None:
    """Commits fail on a full disk with canaries in hand; then the database is damaged."""
    reader = daemon(case)
    with tmpfs(reader.state, "512k"):
        site = place(reader, case)
        reader.start()
        pour(site)
        reader.until(lambda: counted(ask, reader) >= site.written)
        ballast = fill(reader.state)
        pour(site)
        site.write(1_000)
        reader.until(lambda: "the last commit failed" in ask(reader, "/readyz").text)
        observed = leaked(ask, reader)
        site.end()
        ballast.unlink()
        path = reader.state / "donkeywatch.db"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        message = refused(reader, 3)
        assert "damaged" in message
        assert_clean(tmp_path, observed)


@pytest.mark.scenario("Z02")
def test_the_search_itself_works() -> None:
    """The canaries would be found if they were there."""
    text = json.dumps({"query": WORDS[0], "from": "[2001:DB8::CA:FE]:4662"}).encode()
    hidden = base64.b64encode(b"xx" + WORDS[1].encode() + b"yyy")
    packed = b"\0" * 9 + ipaddress.ip_address(ADDRESSES[3]).packed + b"\0"
    for haystack in (text, hidden, packed, hashlib.sha256(ADDRESSES[0].encode()).digest()):
        assert any(needle in haystack for needle in needles())


DUMPABLE = """
import ctypes, os, signal
def tell(*_):
    with open({!r}, "w") as file:
        file.write(f"dumpable {{ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)}}")
signal.signal(signal.SIGUSR1, tell)
"""


@pytest.mark.scenario("Z01")
def test_no_core_is_dumped(prepared: Prepared, tmp_path: Path) -> None:
    """The kernel is told so twice: by the limit, and by PR_SET_DUMPABLE."""
    answer = tmp_path / "answer"
    reader = prepared(DUMPABLE.format(str(answer)), Case())
    reader.start()
    reader.signal(signal.SIGUSR1)
    reader.until(lambda: answer.exists() and answer.read_text() == "dumpable 0")
    limits = Path(f"/proc/{reader.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    reader.stop()


@pytest.mark.scenario("Z03")
@pytest.mark.parametrize("how", ["group", "world", "directory", "link", "short", "other"])
@TWO
def test_keys_that_cannot_be_trusted(begun: Begun, case: Case, tmp_path: Path, how: str) -> None:
    """Refused at the start and at a reload; no key is made in its place; mended, it goes on."""
    reader, site = begun(case)
    keys = reader.state / "keys"
    shutil.copytree(keys, tmp_path / "kept")
    week, install = max(keys.glob("*-W*.key")), keys / "install.key"
    site.end()
    if how in ("group", "world"):
        install.chmod(0o640 if how == "group" else 0o604)
    elif how == "directory":
        keys.chmod(0o750)
    elif how == "link":
        week.rename(tmp_path / "elsewhere")
        week.symlink_to(tmp_path / "elsewhere")
    else:
        week.write_bytes(b"z" * (31 if how == "short" else 32))
    before = {path.name for path in keys.iterdir()}
    for _ in range(2):
        refused(reader, 7)
        assert {path.name for path in keys.iterdir()} == before
    shutil.rmtree(keys)
    shutil.move(tmp_path / "kept", keys)
    site.write(10)
    reader.start()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("Z03")
@pytest.mark.parametrize("what", ["install.key", ""])
@TWO
def test_keys_of_somebody_else(nobody: Nobody, his: Begun, case: Case, what: str) -> None:
    """Root's key, or root's directory of keys: refused, and exact when they are given back."""
    reader, site = his(case)
    site.end()
    os.chown(reader.state / "keys" / what, 0, 0)
    refused(reader, 7)
    nobody.owned_by()
    site.write(10)
    reader.start()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("Z04")
@pytest.mark.parametrize("umask", [0, 0o777])
@TWO
def test_modes_whatever_the_umask(
    prepared: Prepared, case: Case, tmp_path: Path, umask: int
) -> None:
    """Directories 0700 and files 0600 while it runs, after it, and with the state made by hand."""
    reader = prepared(f"import os; os.umask({umask})", case)
    if umask == 0:
        reader.state.mkdir(mode=0o755)
    site = Site(tmp_path, reader, case)
    for _ in range(2):
        reader.start()
        site.write(10)
        site.look()
        for running in (True, False):
            for path in (reader.state, *reader.state.rglob("*")):
                mode = path.stat().st_mode & 0o777
                assert mode == (0o700 if path.is_dir() else 0o600), f"{path} {mode:o}"
            if running:
                site.end()
    reader.start()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("Z04")
def test_memory_stays_flat(begun: Begun, ask: Ask) -> None:
    """Three million lines take no more than one million: the same addresses, always new words."""
    reader, site = begun(Case())
    sizes = []
    for turn in range(3):
        # Of a second of its own: the same lines would be a copy of those that are counted.
        stamp = (datetime.now(UTC) - timedelta(minutes=turn)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        lines = (f"{stamp}\t198.51.100.{n % 256}\tzqorv {n}\n" for n in range(50_000))
        block = "".join(lines).encode()
        for _ in range(20):
            with site.path.open("ab") as log:
                log.write(block)
        goal = 10 + (turn + 1) * 1_000_000
        reader.until(lambda goal=goal: reader.tally().total >= goal, 60)  # type: ignore[misc]
        if turn != 1:
            pages = int(Path(f"/proc/{reader.pid}/statm").read_text().split()[1])
            sizes.append(pages * os.sysconf("SC_PAGE_SIZE"))
        site.rename()
        site.path.touch()
    assert sizes[1] < 1.2 * sizes[0], sizes
    reader.stop()
    assert reader.tally().total == 3_000_010
