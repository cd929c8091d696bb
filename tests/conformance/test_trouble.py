"""X: settings that can never work, trouble that passes, and work or words for nothing."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conformance.cases import TWO, Ask, Begun, Make, Prepared, Reasons, Run
from conformance.readers import Daemon
from conformance.site import Case, Site
from conformance.surroundings import fill, refused, tmpfs


def rewrite(reader: Daemon, old: str, new: str) -> None:
    """Change a daemon's settings."""
    text = reader.settings.read_text()
    assert old in text
    reader.settings.write_text(text.replace(old, new))


# -- G: settings that can never work --------------------------------------------------------

FORMAT = 'format = "tsv"'
NEVER = {
    "directive": (FORMAT, f'{FORMAT}\ntime_format = "%Y-%m-%d %H:%M:%S.%L %z"', "write %f"),
    "no seconds": (FORMAT, f'{FORMAT}\ntime_format = "%Y-%m-%d %H:%M %z"', "minute and second"),
    "pattern": (
        FORMAT, "format = \"regex\"\npattern = '(a|a)*(?P<ts>b)(?P<ip>c)(?P<query>d)'", "repetition"
    ),
    "host": ("port = 0", 'port = 0\nhost = "127.0.0.1:9461"', "not an address or a host name"),
    "endless": ("port = 0", "port = 0\n[backup]\ninterval = inf", "finite"),
    "device": (FORMAT, f'{FORMAT}\n[correction]\nrecord = "/dev/zero"', "not a regular file"),
    "backups": ('state = "state"', 'state = "state"\nkeys = "state/backups"', "among its backups"),
}  # fmt: skip


@pytest.mark.scenario("XG1")
@pytest.mark.parametrize("name", NEVER)
def test_what_can_never_work_is_told_at_load(
    begun: Begun, run: Callable[..., tuple[int, str]], reasons: Reasons, name: str
) -> None:
    """`check`, a start and a reload refuse it with the same words; a running daemon stays."""
    reader, site = begun(Case())
    valid = reader.settings.read_text()
    old, new, message = NEVER[name]
    rewrite(reader, old, new)
    code, text = run("check", "-c", reader.settings)
    assert (code, message in text) == (7, True), text
    before = reader.log_text().count("not reloaded")
    reader.signal(signal.SIGHUP)
    reader.until(lambda: reader.log_text().count("not reloaded") > before)
    assert message in reader.log_text()
    site.write(10)
    site.look()
    assert reasons(reader) == ""
    reader.stop()
    assert message in refused(reader, 7)
    reader.settings.write_text(valid)
    reader.start()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("XG2")
@pytest.mark.parametrize("how", ["same", "dots", "link", "hard link", "both absent"])
def test_one_file_as_two_sources(daemon: Make, run: Run, tmp_path: Path, how: str) -> None:
    """Under whatever name: both sources are named, and nothing is counted."""
    reader = daemon(Case())
    site = Site(tmp_path, reader, Case())
    site.write(10)
    other = site.path.with_name("other.log")
    if how == "link":
        other.symlink_to(site.path.name)
    elif how == "hard link":
        other.hardlink_to(site.path)
    elif how == "both absent":
        site.path.unlink()
    path = {"link": other, "hard link": other, "dots": site.path.parent / "../logs/search.log"}
    with reader.settings.open("a") as settings:
        settings.write(
            f'\n[[source]]\nname = "twin"\npath = "{path.get(how, site.path)}"\nformat = "tsv"\n'
        )
    code, message = run("check", "-c", reader.settings)
    assert code == 7
    assert re.search("sources .* and twin are the same file", message)
    refused(reader, 7)
    assert reader.tally().total == 0


# -- J: trouble that passes, and trouble that stays -----------------------------------------


@contextmanager
def taken() -> Iterator[int]:
    """A port that another process has."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


@pytest.mark.scenario("XJ1")
@TWO
def test_a_port_that_is_taken_for_a_while(
    daemon: Make, tmp_path: Path, ask: Ask, case: Case
) -> None:
    """The log is followed meanwhile, which is told once; then the daemon answers."""
    reader = daemon(case)
    site = Site(tmp_path, reader, case)
    with taken() as port:
        rewrite(reader, "port = 0", f"port = {port}")
        reader.launch()
        for _ in range(2):
            site.write(10)
            site.look()
            assert reader.tally().total == site.written
        reader.until(lambda: "not listening" in reader.log_text())
        assert reader.log_text().count("not listening") == 1
    reader.until(lambda: "listening on http" in reader.log_text())
    reader.until(lambda: ask(reader, "/readyz").status_code == 200)
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("XJ1")
@pytest.mark.parametrize("host", ["192.0.2.77", "monitor.invalid"])
def test_an_address_that_is_not_there_yet(
    daemon: Make, run: Run, tmp_path: Path, host: str
) -> None:
    """Counting goes on without it, `check` says 6, and a reload may name another one."""
    reader = daemon(Case())
    site = Site(tmp_path, reader, Case())
    rewrite(reader, "port = 0", f'port = 0\nhost = "{host}"\ntoken = "plimzqorv"')
    code, message = run("check", "-c", reader.settings)
    assert (code, host in message) == (6, True), message
    reader.launch()
    site.write(10)
    site.look()
    assert reader.tally().total == 10
    rewrite(reader, f'host = "{host}"', 'host = "127.0.0.1"')
    reader.signal(signal.SIGHUP)
    reader.until(lambda: "listening on http" in reader.log_text())
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("XJ2")
def test_the_disk_gives_a_page_no_more(
    begun: Begun, need: Callable[[str], str], tmp_path: Path
) -> None:
    """An I/O error at the start is told as one, not as damage; later all goes on."""
    reader, site = begun(Case())
    site.write(2_000)
    site.look()
    reader.stop()
    database = reader.state / "donkeywatch.db"
    for number in (2, 4, 8):
        done = subprocess.run(
            [
                need("strace"), "-f", "-qq", "-o", "/dev/null", "-P", str(database),
                "-e", f"inject=pread64:error=EIO:when={number}+",
                sys.executable, "-m", "donkeywatch", "run", "-c", str(reader.settings),
            ],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 6, done.stderr
        assert "remedy: " in done.stderr
        assert "damaged" not in done.stderr
        assert "Traceback" not in done.stderr
    assert not (reader.state / "damaged").exists()
    site.write(10)
    reader.start()
    assert site.outcome() == (0, 0)
    reader.stop()


@pytest.mark.scenario("XJ3")
@pytest.mark.parametrize("what", ["state", "keys"])
def test_a_full_disk_is_told_as_one(
    begun: Begun, daemon: Make, tmp_path: Path, reasons: Reasons, what: str
) -> None:
    """Of the state and of the keys, at the first start and at a later one: 6; then it goes on."""
    reader = daemon(Case())
    place = tmp_path / what
    with tmpfs(place, "4m"):
        rewrite(reader, 'state = "state"', 'state = "state"\nkeys = "keys/own"')
        (tmp_path / "keys").mkdir(exist_ok=True)
        ballast = fill(place)
        message = refused(reader, 6)
        assert "damaged" not in message
        assert re.search("No space left|is full|disk I/O error|unable to open", message), message
        ballast.unlink()
        reader, site = begun(Case(), reader=reader)
        site.restart()
        assert site.outcome() == (0, 0)
        reader.until(lambda: not reasons(reader))
        reader.stop()


# -- L: work for nothing, words for nothing -------------------------------------------------


@pytest.mark.scenario("XL3")
def test_a_trouble_that_comes_and_goes_is_not_told_each_time(
    begun: Begun, reasons: Reasons
) -> None:
    """The log vanishes and comes back six times: told once within the minute."""
    reader, site = begun(Case())
    for _ in range(6):
        aside = site.path.rename(site.directory / "aside")
        reader.until(lambda: "not there yet" in reasons(reader))
        aside.rename(site.path)
        reader.until(lambda: not reasons(reader))
    assert reader.log_text().count("not there yet") == 1
    assert site.outcome() == (0, 0)
    reader.stop()


# -- K: a word list that expires ------------------------------------------------------------

TWO_DAYS_ON = """
from datetime import timedelta
from donkeywatch.ingest.lexicon_model import Lexicon
notices = Lexicon.notices
Lexicon.notices = lambda self, now: notices(self, now + timedelta(days=2))
"""


def expire(reader: Daemon, days: int) -> str:
    """Have the word list expire so many days from now; the date."""
    words = reader.settings.parent / "archive" / "lexicon.toml"
    text = re.sub(r"^expires = .*\n", "", words.read_text(), flags=re.MULTILINE)
    date = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"
    words.write_text(f"expires = {date}\n{text}")
    return date


@pytest.mark.scenario("XK1")
def test_a_word_list_about_to_expire(daemon: Make, run: Run, tmp_path: Path, ask: Ask) -> None:
    """Told everywhere from 30 days before, and by no reason; refused when it has expired."""
    reader = daemon(Case())
    site = Site(tmp_path, reader, Case())
    date = expire(reader, 30)
    reader.start()
    site.write(10)
    site.look()
    reader.until(lambda: ask(reader, "/readyz").status_code == 200)
    message = f"expires at the end of {date}"
    assert message in ask(reader, "/readyz").json()["notices"][0]
    assert message in ask(reader, "/").text
    assert reader.log_text().count(message) == 1
    metric = re.search(
        r"donkeywatch_lexicon_expires_timestamp_seconds (\d\S+)", ask(reader, "/metrics").text
    )
    assert metric is not None
    end = datetime.fromisoformat(date).replace(tzinfo=UTC) + timedelta(days=1)
    assert float(metric[1]) == end.timestamp()
    rewrite(reader, "port = 0", f"port = {reader.url().rpartition(':')[2]}")
    for verb in ("check", "status"):
        code, text = run(verb, "-c", reader.settings)
        assert (code, message in text) == (0, True), text
    expire(reader, -1)
    reader.signal(signal.SIGHUP)
    reader.until(lambda: "not reloaded" in reader.log_text())
    for verb, expected in (("check", 7), ("status", 0)):
        code, text = run(verb, "-c", reader.settings)
        assert (code, "expired on" in text) == (expected, True), text
    reader.stop()
    assert "start donkeywatch again" in refused(reader, 7)
    expire(reader, 31)
    reader.start()
    assert site.outcome() == (0, 0)
    assert ask(reader, "/readyz").json()["notices"] == []
    reader.stop()


@pytest.mark.scenario("XK1")
def test_a_word_list_that_expires_while_it_is_used(
    prepared: Prepared, begun: Begun, ask: Ask
) -> None:
    """Counting goes on, ready, and it is stated."""
    reader = prepared(TWO_DAYS_ON, Case())
    expire(reader, 1)
    reader, site = begun(Case(), reader=reader)
    site.write(10)
    assert site.outcome() == (0, 0)
    reader.until(lambda: ask(reader, "/readyz").status_code == 200)
    assert "expired on" in ask(reader, "/readyz").json()["notices"][0]
    assert "expired on" in ask(reader, "/").text
    assert reader.log_text().count("expired on") == 1
    reader.stop()
