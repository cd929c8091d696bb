"""Files that nobody else may read (lexicon, keys, tokens), and files that are made whole."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from donkeywatch.errors import ConfigError, DatabaseUnavailableError, may_pass


def read_private_file(path: Path, name: str, exposure_remedy: str = "") -> bytes:
    """The content of a regular file of mode 0600 or less; ConfigError otherwise.

    ``name`` begins every message; ``exposure_remedy`` is what else to do when others could read it.
    Unavailable where the disk or a limit forbids reading now.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if may_pass(error):
            raise _unavailable(name, error) from None
        kind = "a symbolic link" if path.is_symlink() else f"not readable ({error.strerror})"
        raise ConfigError(
            f"{name}: {kind}", "name a regular file that the user of donkeywatch owns"
        ) from None
    state = os.fstat(descriptor)
    mode = state.st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise ConfigError(f"{name}: not a regular file", "name a regular file")
    with os.fdopen(descriptor, "rb") as file:
        refuse_foreign(path, state, name)
        if mode & 0o077:
            raise ConfigError(
                f"{name}: others can read it (mode {mode & 0o777:03o})",
                f"run: chmod 600 {path}{exposure_remedy}",
            )
        try:
            return file.read()
        except OSError as error:
            raise _unavailable(name, error) from None


def write_private_file(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 durably; whoever looks meanwhile finds the old content or the new.

    It belongs to whom the one before it, or the directory, belongs, where root writes it. What a
    crash left of an earlier try is removed. Of two who write in one directory, one waits.
    """
    with hold_directory(path.parent):
        _write(path, data, 0o600, (path if path.exists() else path.parent).stat())


def create_file(path: Path, text: str, mode: int) -> None:
    """Make a file durably, whole or not at all; FileExistsError where there is one of its name."""
    with hold_directory(path.parent):
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        _write(path, text.encode("utf-8"), mode, None)


@contextmanager
def hold_directory(directory: Path) -> Iterator[None]:
    """Keep other processes of ours from writing here until the names here are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes, mode: int, owner: os.stat_result | None) -> None:
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            if owner is not None and os.geteuid() == 0:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Wait until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refuse_foreign(path: Path, state: os.stat_result, name: str) -> None:
    """ConfigError where somebody else may put another content in the place of a file.

    Root, who may read what is the daemon's, is not asked for the owner.
    """
    user = os.geteuid()
    if user and state.st_uid not in (0, user):
        raise ConfigError(
            f"{name}: it belongs to another user (uid {state.st_uid})",
            f"run as root: chown {user} {path}",
        )
    directory = path.absolute().parent
    mode = directory.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ConfigError(
            f"{name}: everybody can write to its directory (mode {mode & 0o777:03o})",
            f"run: chmod o-w {directory}",
        )


def refuse_readable_by_others(path: Path, state: os.stat_result, name: str, remedy: str) -> None:
    """ConfigError where everybody can read a file with a secret; its group may."""
    if state.st_mode & stat.S_IROTH:
        raise ConfigError(
            f"{name}: everybody can read it (mode {state.st_mode & 0o777:03o})", remedy
        )
    refuse_foreign(path, state, name)


def _unavailable(name: str, error: OSError) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(
        f"{name}: cannot be read now ({error.strerror})",
        "see to the disk or the limit, and try again; the file is left as it is",
    )
