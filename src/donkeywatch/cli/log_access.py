"""Lets the daemon's user read a log and its rotated files, for `init --system`."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from donkeywatch.errors import StateError, UsageError
from donkeywatch.settings.private_files import write_private_file
from donkeywatch.sources.log_paths import LogPaths

LOG_RIGHTS = Path("/etc/donkeywatch/log-rights")
"""What a purge has to take back: a line has a kind, the user's number, and a path."""
HIDDEN_FROM_SERVICES = (Path("/home"), Path("/root"), Path("/run/user"))
"""What `ProtectHome` hides from the unit: neither program nor log can be there."""
SHARED_DIRECTORIES = frozenset(
    Path("/", name)
    for name in ("", "etc", "opt", "srv", "tmp", "usr", "var", "var/lib", "var/log", "var/tmp")
)
"""Where many programs write: what one user may read of all that is made there is too much."""
_ACCESS_LIST = "system.posix_acl_access"
_DEFAULT_LIST = "system.posix_acl_default"
_MASKED_TAGS = (0x02, 0x04, 0x08)
"""Entries of an access list (acl(5)) that its mask narrows: named users, group, named groups."""
_MASK_TAG = 0x10


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """A command that lets the user read, and what a purge of the package has to take back of it."""

    command: list[str]
    kind: str = ""
    """`user` for an entry of the user, `default-user` for one that what is made later inherits,
    `default` where there was none of these; empty for a group."""
    paths: tuple[Path, ...] = ()


def require_service_log(log: Path, ours: Sequence[Path]) -> None:
    """UsageError where a service cannot read the log, or should not.

    ``ours`` are files of ours that units name: they may not lie where the log does.
    """
    directories = LogPaths("log", log).directories()
    for path in (log, *directories, *ours):
        if not _is_plain(path):
            raise UsageError(
                f"{path}: no unit can name this path", "rename it: without spaces and signs like %"
            )
    for directory in directories:
        if any(directory.is_relative_to(place) for place in HIDDEN_FROM_SERVICES):
            raise UsageError(
                f"{directory}: a service may not look into home directories",
                "have the server write its log elsewhere, as in /var/log/enode-go",
            )
        is_shared = directory in SHARED_DIRECTORIES and not _is_open(log)
        if is_shared or any(path.is_relative_to(directory) for path in ours):
            raise UsageError(
                f"{directory}: this is no directory of the log's own, and all that is made in it"
                " would be readable",
                "have the server write its log into a directory of its own",
            )


def grants(log: Path, user: str) -> list[AccessGrant]:
    """List what lets a user look into the log's directories, and read the log and its rotations.

    StateError where only root's group may read it and there is no setfacl.
    """
    if _is_open(log):
        return []
    directories = sorted(LogPaths("log", log).directories())
    if shutil.which("setfacl") is None:
        group = _log_group(log if log.exists() else log.parent)
        return [AccessGrant(["usermod", "--append", "--groups", group, user])]
    above = {path for directory in directories for path in directory.parents}
    rights = [
        AccessGrant(["setfacl", "-m", f"u:{user}:x", str(path)], "user", (path,))
        for path in sorted(above)
        if path.exists() and not path.stat().st_mode & 1
    ]
    rights += [_directory_grant(directory, log, user) for directory in directories]
    # The finished logs as well, which are to be counted first; none whose owner has narrowed it.
    files = [path for path in _log_files(log) if _is_plain(path) and not _is_narrowed(path)]
    if files:
        command = ["setfacl", "-m", f"u:{user}:r", *map(str, files)]
        rights.append(AccessGrant(command, "user", tuple(files)))
    return rights


def record(rights: Sequence[AccessGrant], user: str) -> None:
    """Add what is granted to what is taken back when donkeywatch is purged: one path a line."""
    number = pwd.getpwnam(user).pw_uid
    before = LOG_RIGHTS.read_text("utf-8").splitlines() if LOG_RIGHTS.exists() else []
    new = [f"{right.kind} {number} {path}" for right in rights for path in right.paths]
    lines = dict.fromkeys([*before, *new])
    write_private_file(LOG_RIGHTS, "".join(f"{line}\n" for line in lines).encode("utf-8"))


def _directory_grant(directory: Path, log: Path, user: str) -> AccessGrant:
    """Let the user list a directory, and read what is made in it later."""
    inherited, kind = f"d:u:{user}:r", "default-user"
    if not _has_list(directory, _DEFAULT_LIST):
        # It takes the place of the server's umask: what others may not read, they never may.
        like = log if log.exists() else directory
        mode = like.stat().st_mode if like.exists() else 0
        inherited += f",d:g::{_format_bits(mode >> 3)},d:o::{_format_bits(mode)}"
        kind = "default"
    command = ["setfacl", "-m", f"u:{user}:rx", "-m", inherited, str(directory)]
    return AccessGrant(command, kind, (directory,))


def _log_files(log: Path) -> list[Path]:
    """The log and its rotated files; a symbolic link could lead to any file of root's."""
    rotated = [path for path, _ in LogPaths("log", log).rotated_files()]
    return sorted({*rotated, *([log.resolve()] if log.is_file() else [])})


def _is_open(log: Path) -> bool:
    """Whether everybody can read the log and all that belongs to it."""
    directories = LogPaths("log", log).directories()
    above = {path for directory in directories for path in directory.parents}
    return (
        log.is_file()
        and all(path.stat().st_mode & 1 for path in above)
        and all(path.stat().st_mode & 5 == 5 for path in directories)
        and all(path.stat().st_mode & 4 for path in _log_files(log))
    )


def _is_plain(path: Path) -> bool:
    """Whether a line or a unit can hold a path as it is."""
    text = str(path)
    return text.isprintable() and "%" not in text and " " not in text


def _is_narrowed(path: Path) -> bool:
    """Whether a list's mask withholds rights that an entry names: another entry would give them."""
    if not _has_list(path, _ACCESS_LIST):
        return False
    entries = list(struct.iter_unpack("<HHI", os.getxattr(path, _ACCESS_LIST)[4:]))
    mask = next((bits for tag, bits, _ in entries if tag == _MASK_TAG), 7)
    # Nobody runs a log: that a mask withholds this matters for none.
    return any(bits & ~mask & 6 for tag, bits, _ in entries if tag in _MASKED_TAGS)


def _has_list(path: Path, name: str) -> bool:
    try:
        return name in os.listxattr(path)
    except OSError:
        return False


def _format_bits(mode: int) -> str:
    """Write the lowest three bits of a mode; who may read a directory may enter it."""
    return ("r-x" if not mode & 2 else "rwx") if mode & 4 else "---"


def _log_group(path: Path) -> str:
    """The group that may read the log; StateError where that is root's, which may do more."""
    gid = path.stat().st_gid if path.exists() else 0
    if gid == 0:
        raise StateError(
            f"{path} is of root's group, which is no group to be in, and there is no setfacl",
            "apt install acl, or give the log a group of its own, and repeat",
        )
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
