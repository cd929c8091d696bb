"""The verb `init`: from nothing to settings that work."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import typer

from donkeywatch.cli import system_setup
from donkeywatch.cli.application import app, out
from donkeywatch.cli.check_results import exit_with, show_checks
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.counting.calendar import SECOND
from donkeywatch.errors import ConfigError, SourceError, UsageError
from donkeywatch.ingest import lexicon_template
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.runtime.format_detection import detect_format
from donkeywatch.runtime.log_sample import tail_lines
from donkeywatch.settings import file_template, loader
from donkeywatch.settings.file_template import Answers
from donkeywatch.settings.private_files import create_file
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
TOKEN_BYTES = 24
"""Random bytes of a new token."""


@dataclass(frozen=True, slots=True)
class _Options:
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

    def ask(
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
            _print(str(problem))

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


@app.command("init")
def init_command(
    config_path: ConfigOption = DEFAULT_CONFIG,
    log: Annotated[
        Path | None, typer.Option(help="the search log of the server", readable=False)
    ] = None,
    format_name: Annotated[
        FormatName | None, typer.Option("--format", help="of its lines; else it is found out")
    ] = None,
    wrapper: Annotated[
        WrapperName | None, typer.Option(help="what stands around its lines; else found out")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA zone of stamps that tell none")] = None,
    countries: Annotated[Path | None, typer.Option(help="country database, .mmdb")] = None,
    lexicon: Annotated[
        Path | None, typer.Option(help="word list; one with made-up words is written if need be")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="directory of the database")] = None,
    title: Annotated[str | None, typer.Option(help="name of the server, for the page")] = None,
    host: Annotated[str | None, typer.Option(help="address of the page")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="port of the page")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="ask nothing: take what is found")] = False,
    system: Annotated[
        bool, typer.Option("--system", help="as a service: user, directories, rights, units; root")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="with --system: show the commands, run none")
    ] = False,
) -> None:
    """Write settings for a log and a word list to begin with.

    Asks for what no option tells, and checks what it wrote. Nothing that exists is overwritten.
    """
    if system:
        config_path = system_setup.SETTINGS if config_path == DEFAULT_CONFIG else config_path
        lexicon, state = lexicon or system_setup.LEXICON, state or system_setup.STATE
        system_setup.require_root(dry_run=dry_run)
    elif dry_run:
        raise UsageError("--dry-run goes with --system", "add --system, or leave it out")
    if config_path.exists():
        raise ConfigError(
            f"settings {config_path}: there already",
            f"edit them, or name another file: donkeywatch check --config {config_path}",
        )
    options = _Options(
        log, format_name, wrapper, timezone, countries, lexicon, state, title, host, port, yes
    )
    answers = _ask(options, config_path.absolute().parent, system=system)
    if system:
        system_setup.prepare(answers, dry_run=dry_run)
    _write_list_and_token(answers, config_path.parent, dry_run=dry_run)
    if system:
        system_setup.finish(answers, config_path, dry_run=dry_run)
    # Last: where there are settings, there is nothing left to do.
    _write_settings(answers, config_path, dry_run=dry_run)
    if system:
        system_setup.check_as_user(config_path, dry_run=dry_run)
    if dry_run:
        return
    findings = [] if system else show_checks(loader.load(config_path))
    _tell_next(answers, config_path, system=system)
    exit_with(findings)


def _ask(options: _Options, directory: Path, *, system: bool) -> Answers:
    source = _ask_source(options)
    title = options.ask("Name of the server, as the page shows it", "", options.title)
    if options.countries is None and not options.yes:
        out.print(COUNTRY_HELP, highlight=False, markup=False)
    known = next((str(path) for path in COUNTRY_FILES if path.exists()), "")
    countries = options.ask(
        "Country database (empty: none)", known, options.countries, _refuse_countries
    )
    lexicon = options.ask("Word list", str(directory / "lexicon.toml"), options.lexicon)
    state = options.ask(
        "Directory of the database", str(directory / "donkeywatch-state"), options.state
    )
    host, port = (
        str(options.host or "127.0.0.1"),
        str(9461 if options.port is None else options.port),
    )
    if not is_compressed(source.path):  # Nothing is served of an archive alone.
        host = options.ask("Address that the page listens on", host, options.host, _refuse_host)
        port = options.ask("Port of the page", port, options.port, _refuse_port)
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


def _ask_source(options: _Options) -> Source:
    if options.log is None and options.yes:
        raise UsageError("--yes needs --log", "name the search log of the server")
    path = Path(options.ask("Search log of the server", "", options.log)).absolute()
    while not path.exists() and not options.yes:
        _print(f"{path}: not there; name it again if it is still to come, or else the right one")
        again = Path(options.ask("Search log of the server", str(path))).absolute()
        if again == path:
            break
        path = again
    source = _find_format(options, path)
    if source.timezone is None or options.timezone is not None:
        return source
    _print("its stamps tell no time zone")
    zone = options.ask("Time zone of the server's clock", system_zone())
    if options.yes:
        _print(f"taken to be this machine's, {zone}; else give --timezone")
    return Source.model_validate({**source.model_dump(), "timezone": zone})


def _find_format(options: _Options, path: Path) -> Source:
    """The settings that read the log; asked for where none of them does."""
    if options.format is not None:
        return _source(path, options.format, options.wrapper, {}, options.timezone)
    detected = None
    if path.exists():
        lines = tail_lines(path)
        latest = wall_ms() + round(EventTime().future * SECOND)
        detected = detect_format(path, lines, latest)
        if detected is not None:
            sample = detected.sample
            _print(
                f"{path}: {detected}, {sample.searches:,} searches among the last"
                f" {sample.lines:,} lines"
            )
            return detected.source
    is_there = path.exists()
    problem = f"{path}: " + ("no format reads a search in it" if is_there else "not there")
    if options.yes:
        remedy = "one of its own needs `regex` and a pattern: docs/formats.md"
        if not is_there:
            remedy = "name the log that is there"
        raise SourceError(problem, f"{remedy}; or give its --format, to check it later")
    if is_there:
        _print(problem)
    question = f"Format of its lines ({', '.join(FORMATS_TO_ASK_FOR)})"
    name = options.ask(question, FORMATS_TO_ASK_FOR[0], None, _refuse_format)
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


def _write_list_and_token(answers: Answers, directory: Path, *, dry_run: bool) -> None:
    """Make the directory of the settings, and what they name that is not there yet."""
    if dry_run:
        for path in filter(None, (answers.lexicon, answers.token_file)):
            _print(f"# write {path}" + ("" if not path.exists() else ": stays as it is"))
        return
    directory.mkdir(parents=True, exist_ok=True)
    if not answers.lexicon.exists():
        lexicon_template.write(answers.lexicon)
        _print(f"{answers.lexicon}: written, with made-up words")
    if answers.token_file is not None and not answers.token_file.exists():
        _write_new(answers.token_file, secrets.token_urlsafe(TOKEN_BYTES) + "\n", 0o600)
        _print(f"{answers.token_file}: a new token, for the page and for Prometheus")


def _write_settings(answers: Answers, config_path: Path, *, dry_run: bool) -> None:
    if dry_run:
        _print(f"# write {config_path}")
        return
    _write_new(config_path, file_template.render(answers), 0o644)
    _print(f"{config_path}: written")


def _write_new(path: Path, text: str, mode: int) -> None:
    try:
        create_file(path, text, mode)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be made ({error.strerror})", "name a directory of yours"
        ) from None


def _tell_next(answers: Answers, config_path: Path, *, system: bool) -> None:
    """Print what is left to do, each command on a line of its own."""
    user = " ".join(system_setup.AS_USER) + " " if system else ""
    config, donkeywatch = f"-c {config_path}", f"{user}donkeywatch"
    steps = [
        ("put your words in the place of the made-up ones, and see whether the list is sound",
         f"donkeywatch lexicon check {answers.lexicon}"),
        ("count the finished logs of before, if there are any, in any order",
         f"{donkeywatch} backfill {config} FILES"),
    ]  # fmt: skip
    if is_compressed(answers.source.path):
        steps.append(("make the report", f"donkeywatch report {config} --out report"))
    else:
        start = "systemctl enable --now " + " ".join(system_setup.UNITS)
        shown = "127.0.0.1" if answers.host in ("0.0.0.0", "::") else answers.host  # noqa: S104 - a look-up
        look = f"look at http://{shown}:{answers.port}/"
        if answers.token_file is not None:
            look += f" (any name, and as password what is in {answers.token_file})"
        steps.append(("start it", start if system else f"{donkeywatch} run {config}"))
        steps.append((look, f"{donkeywatch} status {config}"))
    _print("next:")
    for number, (text, command) in enumerate(steps, 1):
        _print(f"  {number}. {text}")
        _print(f"       {command}")


def _print(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)
