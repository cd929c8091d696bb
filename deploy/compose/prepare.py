"""Makes what the containers need beside compose.yml: directories, a token and a password."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

OWNER = 10001
"""The user of all three containers."""
DIRECTORIES = ("donkeywatch", "prometheus", "grafana", "token", "grafana-secret")
WORDS = ("token/token", "grafana-secret/password")
"""Random words that are made once: what Prometheus tells donkeywatch, and Grafana's password."""


def prepare(base: Path, owner: int = OWNER) -> None:
    """Make what is missing and leave what is there; FileNotFoundError without a lexicon."""
    lexicon = base / "config" / "lexicon.toml"
    # A link is not followed: this runs as root.
    if lexicon.is_symlink() or not lexicon.is_file():
        raise FileNotFoundError(
            f"{lexicon.relative_to(base)} is not a file: put your lexicon there"
        )
    os.chown(lexicon, owner, owner, follow_symlinks=False)
    lexicon.chmod(0o600)
    for name in DIRECTORIES:
        directory = base / "data" / name
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(directory, owner, owner, follow_symlinks=False)
        directory.chmod(0o700)
    for name in WORDS:
        path = base / "data" / name
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32))
            os.chown(path, owner, owner, follow_symlinks=False)


if __name__ == "__main__":
    try:
        prepare(Path(__file__).resolve().parent)
    except OSError as error:
        sys.exit(f"prepare: {error}")
