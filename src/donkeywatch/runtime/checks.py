"""``donkeywatch check``: is everything in place, and does the format fit the log?"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from donkeywatch.counting.calendar import SECOND, utc
from donkeywatch.errors import AddressUnavailable, DonkeywatchError, SourceError, StateError
from donkeywatch.evaluation import validation_record
from donkeywatch.ingest import keyring, lexicon_file
from donkeywatch.ingest.countries import CountryLookup
from donkeywatch.publish.http import status_client
from donkeywatch.publish.http.socket_and_tls import bind, load_tls
from donkeywatch.publish.http.status_client import Answer
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.runtime.format_detection import detect_format, reader_without_lexicon
from donkeywatch.runtime.log_sample import Sample, read_sample, tail_lines
from donkeywatch.settings import state_files
from donkeywatch.settings.schema import Http, Settings, Source

MIN_TAIL_LINES = 100
"""Lines without a search among them, and in no other format, after which that is reported."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing the daemon needs: what is wrong with it, if anything, and what was seen of it."""

    name: str
    error: DonkeywatchError | None
    detail: str = ""


def run_checks(settings: Settings, *, with_logs: bool = True) -> Iterator[CheckResult]:
    """Try each thing the daemon needs, perhaps without its logs; nothing is written."""
    yield _check("lexicon", lambda: lexicon_file.load_configured(settings))
    if (shadow := settings.detection.shadow_lexicon) is not None:
        yield _check("lexicon in the shadow", lambda: lexicon_file.load(shadow))
    if settings.countries is not None:
        yield _check("countries", lambda: CountryLookup(settings.countries))
    if settings.correction.record is not None:
        yield _check(
            "correction record", lambda: validation_record.load(settings.correction.record)
        )
    yield _check("state directory", lambda: _check_writable(settings.state))
    yield _check("backup directory", lambda: _check_writable(settings.state / state_files.BACKUPS))
    yield _check("key directory", lambda: _check_key_directory(settings.key_directory))
    yield _check("web server", lambda: _check_web_server(settings))
    if settings.release.port is not None:
        yield _check("public server", lambda: _check_public_server(settings))
    latest = wall_ms() + round(settings.time.future * SECOND)
    for source in settings.source if with_logs else ():
        yield _check(f"source {source.name}", partial(_try_source, source, latest))


def notices(settings: Settings) -> tuple[str, ...]:
    """Give what has to be done before it is too late, though nothing is wrong yet."""
    try:
        return lexicon_file.load_configured(settings).notices(utc(wall_ms()))
    except DonkeywatchError:
        return ()  # It is among the problems.


def _check(name: str, check: Callable[[], object]) -> CheckResult:
    try:
        detail = check()
    except DonkeywatchError as error:
        return CheckResult(name, error)
    except OSError as error:  # A path that the system does not take, say.
        problem = StateError(f"{name}: {error.strerror}", "correct its path in the settings")
        return CheckResult(name, problem)
    return CheckResult(name, None, detail if isinstance(detail, str) else "")


def _try_source(source: Source, latest: int) -> str:
    sample = check_source(source, latest)
    if not sample.lines:
        return "its log is empty"
    return sample.summary


def _check_writable(directory: Path) -> None:
    """Find out whether a directory can be made or written; `check` may be root's and makes none."""
    there = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not there.is_dir():
        raise StateError(f"{there} is not a directory", "name a directory, or move that file away")
    if not os.access(there, os.W_OK | os.X_OK):
        raise StateError(
            f"{there}: not writable by this user",
            f"make {directory} and give it to the user donkeywatch runs as",
        )


def _check_key_directory(directory: Path) -> None:
    _check_writable(directory)
    if directory.exists():
        keyring.ensure_directory(directory)


def _check_web_server(settings: Settings) -> None:
    """Load the TLS files, and find out whether the address is free or this daemon's already."""
    load_tls(settings.http)
    try:
        bind(settings.http).close()
    except AddressUnavailable as error:
        if _is_running(settings):
            return
        if status_client.ask_health(settings.http).kind is Answer.DAEMON:
            raise AddressUnavailable(
                f"{error.problem}: the daemon of another state directory answers there",
                error.remedy,
            ) from None
        raise


def _check_public_server(settings: Settings) -> None:
    """Find out whether the address of the released figures is free or this daemon's already."""
    release = settings.release
    try:
        bind(Http(host=release.host, port=release.port or 0), "release").close()
    except AddressUnavailable:
        if not _is_running(settings):
            raise


def _is_running(settings: Settings) -> bool:
    """Tell whether the daemon of this state directory answers."""
    health = status_client.ask_health(settings.http).health
    if health is None or not (settings.state / state_files.DATABASE).exists():
        return False
    with contextlib.suppress(sqlite3.Error), Snapshots(settings.state, ()).open() as snapshot:
        return snapshot.state_id() == health.state
    return False


def check_source(source: Source, latest: int) -> Sample:
    """Read the end of a source's log; SourceError where it cannot be followed as it is set.

    A search after ``latest`` (ms UTC) is from the future.
    """
    _check_log_path(source.path)
    _check_rotated_directories(source)
    lines = tail_lines(source.path)
    sample = read_sample(lines, reader_without_lexicon(source), latest)
    if sample.searches or not sample.lines:
        return sample
    problem = f"{source.path}: none of its last {sample.lines:,} lines is a search"
    detected = detect_format(source.path, lines, latest)
    if detected is not None:
        raise SourceError(
            problem,
            f"{detected.sample.searches:,} are read otherwise: {detected.remedy_for(source)}",
        )
    if sample.rejections or sample.lines >= MIN_TAIL_LINES:
        raise SourceError(problem, remedy_for(sample, source))
    return sample


def _check_rotated_directories(source: Source) -> None:
    for pattern in source.rotated:
        directory = (source.path.parent / pattern).parent
        if not directory.is_dir():
            raise SourceError(
                f"{directory}: no such directory, and `rotated` names it",
                "create it, or correct the pattern, which is relative to the log's directory",
            )


def _check_log_path(path: Path) -> None:
    if not path.parent.is_dir():
        raise SourceError(f"{path.parent}: no such directory", "create it or correct `path`")
    if not os.access(path.parent, os.R_OK | os.X_OK):
        raise SourceError(
            f"{path.parent}: not readable", "add the user of donkeywatch to the log's group"
        )
    if not os.path.lexists(path):
        raise SourceError(
            f"{path}: not there",
            "correct `path`; if the server has yet to write it, the daemon waits for it",
        )
    if not os.access(path, os.R_OK):
        raise SourceError(f"{path}: not readable", "add the user of donkeywatch to the log's group")


def remedy_for(sample: Sample, source: Source) -> str:
    """Name what to look at where no line of a sample is a search."""
    outcomes = sample.outcomes
    if outcomes["bad_time"] or outcomes["impossible_time"] or outcomes["future"]:
        return "look at the stamps: one without a zone needs `timezone`, an odd one `time_format`"
    if outcomes["bad_address"]:
        return "look at the addresses: they are to be plain IPv4 or IPv6"
    if source.format == "enode-go":
        return "eNode-go logs searches only at log level `debug`; is it its log?"
    return "is it a log in this format? docs/formats.md has an example of each"
