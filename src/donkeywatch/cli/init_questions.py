"""The questions of `init`: what no option says is asked, found out, or has a default."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import typer

from donkeywatch.cli import system_setup
from donkeywatch.cli.application import out, print_plain
from donkeywatch.counting.calendar import SECOND
from donkeywatch.errors import SourceError, UsageError
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.runtime.format_detection import detect_format
from donkeywatch.runtime.log_sample import tail_lines
from donkeywatch.settings.file_template import Answers
from donkeywatch.settings.schema import EventTime, FormatName, Http, Source, WrapperName
from donkeywatch.settings.validators import check_host
from donkeywatch.sources.log_file import is_compressed

COUNTRY_FILES = (
    Path("/var/lib/GeoIP/GeoLite2-Country.mmdb"),
    Path("/usr/share/GeoIP/GeoLite2-Country.mmdb"),
    Path("/var/lib/GeoIP/dbip-country-lite.mmdb"),
)
"""Where the usual updaters put a country database."""
COUNTRY_HELP = (
    "The country of an address comes from a local file, .mmdb. Two are free: DB-IP Country Lite"
    " (db-ip.com, no account, CC BY 4.0: name them where you publish) and GeoLite2 Country"
    " (maxmind.com, an account, their own licence). Each newer file is a break in the series: it is"
    " drawn, and no trend crosses it. Without one every address counts as ZZ."
)
FORMATS_TO_ASK_FOR = [name for name in get_args(FormatName) if name != "regex"]


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What the command line said; None is asked for, or has a default with --yes."""

    log: Path | None
    format: FormatName | None
    wrapper: WrapperName | None
    timezone: str | None
    countries: Path | None
    lexicon: Path | None
    state: Path | None
    title: str | None
    host: str | None
    port: int | None
    yes: bool

    def ask_one(
        self,
        question: str,
        default: str,
        given: object = None,
        refuse: Callable[[str], UsageError | None] = lambda _answer: None,
    ) -> str:
        """The answer of the options, of the operator, or the default.

        What ``refuse`` finds wrong with an answer is raised, or said to the operator, who is asked
        again.
        """
        while True:
            answer = self._answer(question, default, given)
            problem = refuse(answer)
            if problem is None:
                return answer
            if given is not None or self.yes:
                raise problem
            print_plain(str(problem))

    def _answer(self, question: str, default: str, given: object) -> str:
        if given is not None:
            return str(given)
        if self.yes:
            return default
        try:
            return str(typer.prompt(question, default=default, show_default=bool(default)))
        except typer.Abort:
            raise UsageError(
                f"nobody has answered: {question}",
                "give the options that --help names, and --yes for all other answers",
            ) from None


def _refuse_countries(answer: str) -> UsageError | None:
    if not answer or Path(answer).is_file():
        return None
    return UsageError(f"{answer}: no such file", "name a country database, or none")


def _refuse_host(answer: str) -> UsageError | None:
    try:
        check_host(answer)
    except ValueError as error:
        return UsageError(f"`{answer}`: {error}", "give an address of this machine")
    return None


def _refuse_port(answer: str) -> UsageError | None:
    if answer.isdecimal() and int(answer) <= 65535:
        return None
    return UsageError(f"`{answer}` is no port", "give a number up to 65535")


def _refuse_format(answer: str) -> UsageError | None:
    if answer in FORMATS_TO_ASK_FOR:
        return None
    return UsageError(f"`{answer}` is none of them", "docs/formats.md has an example of each")


def ask_all(options: InitOptions, directory: Path, *, system: bool) -> Answers:
    """Ask for what no option tells; UsageError where nobody answers, SourceError for the log."""
    source = _ask_source(options)
    title = options.ask_one(
        "Name of the server, as the page shows it (empty: none)", "", options.title
    )
    if options.countries is None and not options.yes:
        out.print(COUNTRY_HELP, highlight=False, markup=False)
    known = next((str(path) for path in COUNTRY_FILES if path.exists()), "")
    countries = options.ask_one(
        "Country database (empty: none)", known, options.countries, _refuse_countries
    )
    lexicon = options.ask_one("Word list", str(directory / "lexicon.toml"), options.lexicon)
    state = options.ask_one(
        "Directory of the database", str(directory / "donkeywatch-state"), options.state
    )
    host, port = (
        str(options.host or "127.0.0.1"),
        str(9461 if options.port is None else options.port),
    )
    if not is_compressed(source.path):  # Nothing is served of an archive alone.
        host = options.ask_one("Address that the page listens on", host, options.host, _refuse_host)
        port = options.ask_one("Port of the page", port, options.port, _refuse_port)
    needs_token = system or not Http.model_construct(host=host).loopback
    return Answers(
        title=title,
        state=Path(state).absolute(),
        lexicon=Path(lexicon).absolute(),
        countries=Path(countries).absolute() if countries else None,
        source=source,
        host=host,
        port=int(port),
        token_file=_token_path(directory, system=system) if needs_token else None,
    )


def _token_path(directory: Path, *, system: bool) -> Path:
    return system_setup.TOKEN if system else directory / "token"


def _ask_source(options: InitOptions) -> Source:
    if options.log is None and options.yes:
        raise UsageError("--yes needs --log", "name the search log of the server")
    path = Path(options.ask_one("Search log of the server", "", options.log)).absolute()
    while not path.exists() and not options.yes:
        print_plain(
            f"{path}: not there; name it again if it is still to come, or else the right one"
        )
        again = Path(options.ask_one("Search log of the server", str(path))).absolute()
        if again == path:
            break
        path = again
    source = _find_format(options, path)
    if source.timezone is None or options.timezone is not None:
        return source
    print_plain("its stamps tell no time zone")
    zone = options.ask_one("Time zone of the server's clock", system_zone())
    if options.yes:
        print_plain(f"taken to be this machine's, {zone}; else give --timezone")
    return Source.model_validate({**source.model_dump(), "timezone": zone})


def _find_format(options: InitOptions, path: Path) -> Source:
    """The settings that read the log; asked for where none of them does."""
    if options.format is not None:
        return _source(path, options.format, options.wrapper, {}, options.timezone)
    detected = None
    if path.exists():
        lines = tail_lines(path)
        latest = wall_ms() + round(EventTime().future * SECOND)
        detected = detect_format(path, lines, latest)
        if detected is not None:
            print_plain(f"{path}: {detected}, {detected.sample.summary}")
            return detected.source
    is_there = path.exists()
    problem = f"{path}: " + ("no format reads a search in it" if is_there else "not there")
    if options.yes:
        remedy = "one of its own needs `regex` and a pattern: docs/formats.md"
        if not is_there:
            remedy = "name the log that is there"
        raise SourceError(problem, f"{remedy}; or give its --format, to check it later")
    if is_there:
        print_plain(problem)
    question = f"Format of its lines ({', '.join(FORMATS_TO_ASK_FOR)})"
    name = options.ask_one(question, FORMATS_TO_ASK_FOR[0], None, _refuse_format)
    return _source(path, name, options.wrapper, {}, options.timezone)


def _source(
    path: Path, format_name: str, wrapper: str | None, keys: dict[str, str], zone: str | None
) -> Source:
    return Source.model_validate(
        {"path": path, "format": format_name, "wrapper": wrapper, "keys": keys, "timezone": zone}
    )


def system_zone() -> str:
    """The IANA name of this machine's time zone; UTC where it is not known."""
    target = os.path.realpath("/etc/localtime")
    _, marker, name = target.partition("/zoneinfo/")
    return name if marker else "UTC"
