"""The verb `init`: from nothing to settings that work."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli import system_setup
from donkeywatch.cli.application import app, print_plain
from donkeywatch.cli.check_results import exit_with, show_checks
from donkeywatch.cli.init_questions import InitOptions, ask_all
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.errors import ConfigError, UsageError
from donkeywatch.ingest import lexicon_template
from donkeywatch.settings import file_template, loader
from donkeywatch.settings.file_template import Answers
from donkeywatch.settings.private_files import create_file
from donkeywatch.settings.schema import FormatName, WrapperName
from donkeywatch.sources.log_file import is_compressed

TOKEN_BYTES = 24
"""Random bytes of a new token."""


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
        system_setup.require_root(dry_run=dry_run)
        if state not in (None, system_setup.STATE):
            raise UsageError(
                f"--state: the units keep the state in {system_setup.STATE}",
                "leave it out; to have it on another disk, mount that one there",
            )
        lexicon, state = lexicon or system_setup.LEXICON, system_setup.STATE
    elif dry_run:
        raise UsageError("--dry-run goes with --system", "add --system, or leave it out")
    if config_path.exists():
        raise ConfigError(
            f"settings {config_path}: there already",
            "edit them, remove them to start over, or name another file with --config",
        )
    options = InitOptions(
        log, format_name, wrapper, timezone, countries, lexicon, state, title, host, port, yes
    )
    answers = ask_all(options, config_path.absolute().parent, system=system)
    has_list = answers.lexicon.exists()
    if system:
        system_setup.prepare(answers, config_path, dry_run=dry_run)
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
    _tell_next(answers, config_path, system=system, has_list=has_list)
    exit_with(findings)


def _write_list_and_token(answers: Answers, directory: Path, *, dry_run: bool) -> None:
    """Make the directory of the settings, and what they name that is not there yet."""
    if dry_run:
        for path in filter(None, (answers.lexicon, answers.token_file)):
            print_plain(f"# write {path}" + ("" if not path.exists() else ": stays as it is"))
        return
    directory.mkdir(parents=True, exist_ok=True)
    if not answers.lexicon.exists():
        lexicon_template.write(answers.lexicon)
        print_plain(f"{answers.lexicon}: written, with made-up words")
    if answers.token_file is not None and not answers.token_file.exists():
        _write_new(answers.token_file, secrets.token_urlsafe(TOKEN_BYTES) + "\n", 0o600)
        print_plain(f"{answers.token_file}: a new token, for the page and for Prometheus")


def _write_settings(answers: Answers, config_path: Path, *, dry_run: bool) -> None:
    if dry_run:
        print_plain(f"# write {config_path}")
        return
    _write_new(config_path, file_template.render(answers), 0o644)
    print_plain(f"{config_path}: written")


def _write_new(path: Path, text: str, mode: int) -> None:
    try:
        create_file(path, text, mode)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be made ({error.strerror})", "name a directory of yours"
        ) from None


def _tell_next(answers: Answers, config_path: Path, *, system: bool, has_list: bool) -> None:
    """Print what is left to do, each command on a line of its own."""
    fill_in = "" if has_list else "put your words in the place of the made-up ones, and "
    user = " ".join(system_setup.AS_USER) + " " if system else ""
    config, donkeywatch = f"-c {config_path}", f"{user}donkeywatch"
    steps = [
        (f"{fill_in}see whether the list is sound",
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
    print_plain("next:")
    for number, (text, command) in enumerate(steps, 1):
        print_plain(f"  {number}. {text}")
        print_plain(f"       {command}")
