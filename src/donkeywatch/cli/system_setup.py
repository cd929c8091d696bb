"""Sets the system up for `init --system`: user, directories, units."""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import subprocess
import sys
from pathlib import Path

from donkeywatch.cli import log_access, shipped_files
from donkeywatch.cli.application import out, print_plain
from donkeywatch.errors import StateError, UsageError
from donkeywatch.settings.file_template import Answers

USER = "donkeywatch"
AS_USER = ("runuser", "-u", USER, "--")
"""What stands before a command that is to write as the daemon does."""
DIRECTORY = Path("/etc/donkeywatch")
SETTINGS = DIRECTORY / "donkeywatch.toml"
LEXICON = DIRECTORY / "lexicon.toml"
TOKEN = DIRECTORY / "token"
STATE = Path("/var/lib/donkeywatch")
UNIT_DIRECTORY = Path("/etc/systemd/system")
PROGRAM_IN_UNITS = "/opt/donkeywatch/bin/donkeywatch"
"""Where the units that come with donkeywatch expect the program."""
LOG_DIRECTORY_IN_UNITS = "/var/log/enode-go"
UNITS = ("donkeywatch.service", "donkeywatch-keys.timer")
"""What is to be enabled."""
PACKAGED_UNIT = Path("/lib/systemd/system/donkeywatch.service")
"""Where it is, the Debian package has brought the units."""
UNIT_FILES = (*UNITS, "donkeywatch-keys.service")


def require_root(*, dry_run: bool) -> None:
    """UsageError unless this is root, or nothing is done."""
    if os.geteuid() != 0 and not dry_run:
        raise UsageError(
            "--system makes a user and directories, which only root may",
            "run it as root, or look at the commands with --dry-run",
        )
    program = Path(sys.executable).absolute()
    if any(program.is_relative_to(place) for place in log_access.HIDDEN_FROM_SERVICES):
        raise UsageError(
            f"{program.parent}: a service may not look into home directories",
            "install the Debian package, or into /opt/donkeywatch (docs/deployment.md), and repeat",
        )


def prepare(answers: Answers, config_path: Path, *, dry_run: bool) -> None:
    """Make the user and the directories, and let it read the log; each command is shown.

    UsageError or StateError, and nothing is done, where log or state are not fit for a service.
    """
    ours = (Path(_program()), STATE, config_path.absolute())
    log_access.require_service_log(answers.source.path, ours)
    _require_own_state()
    commands = []
    if not _has_user():
        commands.append(
            ["useradd", "--system", "--no-create-home", "--home-dir", str(STATE),
             "--shell", "/usr/sbin/nologin", USER]
        )  # fmt: skip
    commands.append(["install", "-d", "-m", "0755", str(DIRECTORY)])
    commands.append(["install", "-d", "-m", "0700", "-o", USER, "-g", USER, str(STATE)])
    for command in commands:
        _run(command, dry_run=dry_run)
    rights = log_access.grants(answers.source.path, USER)
    if any(right.paths for right in rights):
        # Before they are granted: what is granted in part is taken back, too.
        _show(f"write {log_access.LOG_RIGHTS}")
        if not dry_run:
            log_access.record(rights, USER)
    for right in rights:
        _run(right.command, dry_run=dry_run)


def _require_own_state() -> None:
    """StateError where the state directory holds what is not the user's."""
    with contextlib.suppress(PermissionError):  # Whom a dry run shows it to may not look there.
        if not STATE.is_dir() or not any(STATE.iterdir()):
            return
        if not _has_user() or STATE.stat().st_uid != pwd.getpwnam(USER).pw_uid:
            raise StateError(
                f"{STATE} is not empty, and not {USER}'s",
                "put it away; what is of an earlier donkeywatch may be moved back when this is"
                f" done, with chown -R {USER}: {STATE}",
            )


def finish(answers: Answers, config_path: Path, *, dry_run: bool) -> None:
    """Give the user its word list, and install the units; may be repeated."""
    _run(["chown", f"{USER}:{USER}", str(answers.lexicon)], dry_run=dry_run)
    if answers.token_file is not None:  # The daemon and root read it, who asks for the status.
        _run(["chown", f"root:{USER}", str(answers.token_file)], dry_run=dry_run)
        _run(["chmod", "0640", str(answers.token_file)], dry_run=dry_run)
    for name in () if PACKAGED_UNIT.exists() else UNIT_FILES:
        _show(f"install -m 0644 {name} {UNIT_DIRECTORY / name}")
        if not dry_run:
            _install_unit(name, answers, config_path)
    if dry_run or Path("/run/systemd/system").is_dir():
        _run(["systemctl", "daemon-reload"], dry_run=dry_run)
    else:
        out.print("systemd does not run here: the units are in place for when it does")


def check_as_user(config_path: Path, *, dry_run: bool) -> None:
    """Check the settings as the user that the daemon runs as."""
    check = [*AS_USER, _program(), "check", "--config", str(config_path)]
    _run(check, dry_run=dry_run, may_fail=True)


def _install_unit(name: str, answers: Answers, config_path: Path) -> None:
    """Write a unit with the paths of this installation."""
    text = (shipped_files.root() / "deploy" / "systemd" / name).read_text("utf-8")
    for shipped, here in (
        (PROGRAM_IN_UNITS, _program()),
        (str(SETTINGS), str(config_path.absolute())),
        (LOG_DIRECTORY_IN_UNITS, str(answers.source.path.parent)),
    ):
        text = text.replace(shipped, here)
    UNIT_DIRECTORY.mkdir(parents=True, exist_ok=True)
    (UNIT_DIRECTORY / name).write_text(text, "utf-8")


def _program() -> str:
    """The command of this installation."""
    beside = Path(sys.executable).with_name("donkeywatch")
    return str(beside) if beside.exists() else PROGRAM_IN_UNITS


def _has_user() -> bool:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


def _run(command: list[str], *, dry_run: bool = False, may_fail: bool = False) -> None:
    _show(shlex.join(command))
    if dry_run:
        return
    try:
        done = subprocess.run(command, check=False)  # noqa: S603 - our own commands
    except OSError as error:
        raise StateError(
            f"{command[0]}: {error.strerror}", "install it, and run the command above by hand"
        ) from None
    if done.returncode and not may_fail:
        raise StateError(
            f"{command[0]} failed with exit code {done.returncode}",
            "see what it says above; what was done before it stays, and init may be repeated",
        )


def _show(text: str) -> None:
    print_plain(f"# {text}")
