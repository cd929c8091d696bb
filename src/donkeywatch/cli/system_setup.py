"""Sets the system up for `init --system`: user, directories, rights to the log, units."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from donkeywatch.cli import shipped_files
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
HIDDEN_FROM_SERVICES = (Path("/home"), Path("/root"), Path("/run/user"))
"""What `ProtectHome` hides from the unit: no program can be there."""
UNITS = ("donkeywatch.service", "donkeywatch-keys.timer")
"""What is to be enabled."""
PACKAGED_UNIT = Path("/lib/systemd/system/donkeywatch.service")
"""Where it is, the Debian package has brought the units."""
LOG_RIGHTS = DIRECTORY / "log-rights"
"""What a purge has to take back: a line has a kind, the user's number, and a path."""
UNIT_FILES = (*UNITS, "donkeywatch-keys.service")


def require_root(*, dry_run: bool) -> None:
    """UsageError unless this is root, or nothing is done."""
    if os.geteuid() != 0 and not dry_run:
        raise UsageError(
            "--system makes a user and directories, which only root may",
            "run it as root, or look at the commands with --dry-run",
        )
    program = Path(sys.executable).absolute()
    if any(program.is_relative_to(place) for place in HIDDEN_FROM_SERVICES):
        raise UsageError(
            f"{program.parent}: a service may not look into home directories",
            "install the Debian package, or into /opt/donkeywatch (docs/deployment.md), and repeat",
        )


def prepare(answers: Answers, *, dry_run: bool) -> None:
    """Make the user and the directories, and let it read the log; each command is shown."""
    commands = []
    if not _has_user():
        commands.append(
            ["useradd", "--system", "--no-create-home", "--home-dir", str(STATE),
             "--shell", "/usr/sbin/nologin", USER]
        )  # fmt: skip
    commands.append(["install", "-d", "-m", "0755", str(DIRECTORY)])
    commands.append(["install", "-d", "-m", "0700", "-o", USER, "-g", USER, str(answers.state)])
    for command in commands:
        _run(command, dry_run=dry_run)
    rights = _rights(answers.source.path)
    if not dry_run:  # Before they are granted: what is granted in part is taken back, too.
        _record_rights(rights)
    for right in rights:
        _run(right.command, dry_run=dry_run)


@dataclass(frozen=True, slots=True)
class _AccessGrant:
    """A command that lets the user read, and what a purge of the package has to take back of it."""

    command: list[str]
    kind: str = ""
    """`user` for an entry of the user, `default-user` for one that what is made later inherits,
    `default` where there was none of these; empty for a group."""
    paths: tuple[Path, ...] = ()


def _rights(log: Path) -> list[_AccessGrant]:
    """Let the user look into the log's directory, and read the log and its rotations."""
    directory = log.parent
    if shutil.which("setfacl") is None:
        group = _log_group(log if log.exists() else directory)
        return [_AccessGrant(["usermod", "--append", "--groups", group, USER])]
    closed = [path for path in directory.parents if path.exists() and not path.stat().st_mode & 1]
    rights = [
        _AccessGrant(["setfacl", "-m", f"u:{USER}:x", str(path)], "user", (path,))
        for path in reversed(closed)
    ]
    inherited, kind = f"d:u:{USER}:r", "default-user"
    if not _has_default_acl(directory):
        # It takes the place of the server's umask: what others may not read, they never may.
        mode = (log if log.exists() else directory).stat().st_mode if directory.exists() else 0
        inherited, kind = (
            f"{inherited},d:g::{_format_bits(mode >> 3)},d:o::{_format_bits(mode)}",
            "default",
        )
    command = ["setfacl", "-m", f"u:{USER}:rx", "-m", inherited, str(directory)]
    rights.append(_AccessGrant(command, kind, (directory,)))
    # The finished logs as well, which are to be counted first.
    files = sorted(path for path in directory.glob(f"{escape(log.stem)}[.-]*") if path.is_file())
    if files:
        command = ["setfacl", "-m", f"u:{USER}:r", *map(str, files)]
        rights.append(_AccessGrant(command, "user", tuple(files)))
    return rights


def _has_default_acl(directory: Path) -> bool:
    try:
        return "system.posix_acl_default" in os.listxattr(directory)
    except OSError:
        return False


def _format_bits(mode: int) -> str:
    """Write the lowest three bits of a mode; who may read a directory may enter it."""
    return ("r-x" if not mode & 2 else "rwx") if mode & 4 else "---"


def _record_rights(rights: list[_AccessGrant]) -> None:
    """Add what is granted to what is taken back when donkeywatch is purged: one path a line."""
    user = pwd.getpwnam(USER).pw_uid
    before = LOG_RIGHTS.read_text("utf-8").splitlines() if LOG_RIGHTS.exists() else []
    new = [f"{right.kind} {user} {path}" for right in rights for path in right.paths]
    if new:
        _show(f"write {LOG_RIGHTS}")
        LOG_RIGHTS.write_text("".join(f"{line}\n" for line in dict.fromkeys([*before, *new])))


def _log_group(path: Path) -> str:
    """The group that may read the log; StateError where that is root's, which may do more."""
    gid = path.stat().st_gid if path.exists() else 0
    if gid == 0:
        raise StateError(
            f"{path} is of root's group, which {USER} is not to be in, and there is no setfacl",
            "apt install acl, or give the log a group of its own, and repeat",
        )
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


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
        (f"DONKEYWATCH_STATE={STATE}", f"DONKEYWATCH_STATE={answers.state}"),
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
