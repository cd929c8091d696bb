"""Named tokens and what each may read: a file with a slow hash of each, never a token itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from donkeywatch.errors import ConfigError
from donkeywatch.settings.private_files import read_private_file, write_private_file

Scope = Literal["read", "metrics", "fleet"]
SCOPES: tuple[Scope, ...] = ("read", "metrics", "fleet")
"""`metrics` is `/metrics`, `fleet` the sealed keys of `fleet serve`, `read` everything else."""
ID_BYTES, SECRET_BYTES, SALT_BYTES = 6, 32, 16
SCRYPT = {"n": 1 << 14, "r": 8, "p": 1}
"""Cost of a hash: 16 MiB and some 50 ms (RFC 7914)."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class AccessToken(BaseModel):
    """One token as it is stored; ``id`` is the part of it before the point."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    added: date
    id: str
    salt: str
    hash: str

    def matches(self, secret: str) -> bool:
        """Tell whether a secret is that of this token; takes as long for every one."""
        return hmac.compare_digest(_hash(secret, self.salt), self.hash)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tokens: tuple[AccessToken, ...] = ()


def read_tokens(path: Path) -> tuple[AccessToken, ...]:
    """Read the tokens of a file; ConfigError where it cannot be used."""
    text = read_private_file(path, f"tokens {path}")
    try:
        tokens = _File.model_validate_json(text).tokens
    except ValidationError:  # Its text may quote the file.
        raise ConfigError(
            f"tokens {path}: not a file that `donkeywatch token add` wrote",
            "move it away, and add the tokens again",
        ) from None
    if len({token.name for token in tokens}) < len(tokens):
        raise ConfigError(f"tokens {path}: a name is there twice", "remove one of the two")
    return tokens


def new_token(name: str, scopes: Iterable[Scope], today: date) -> tuple[AccessToken, str]:
    """Make a token: what is stored of it, and the token itself, which is nowhere else."""
    if not NAME.fullmatch(name):
        raise ConfigError(
            "a token's name has letters, digits, and _ . - between them, at most 64",
            "name it after who uses it, such as grafana",
        )
    identifier, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    salt = secrets.token_hex(SALT_BYTES)
    ordered = tuple(scope for scope in SCOPES if scope in set(scopes))
    stored = AccessToken(
        name=name, scopes=ordered, added=today, id=identifier, salt=salt, hash=_hash(secret, salt)
    )
    return stored, f"{identifier}.{secret}"


def write_tokens(path: Path, tokens: Sequence[AccessToken]) -> None:
    """Write a file of mode 0600 in the place of the one before, with the owner of that."""
    document = {"tokens": [token.model_dump(mode="json") for token in tokens]}
    write_private_file(path, (json.dumps(document, indent=2) + "\n").encode())


def find_token(tokens: Collection[AccessToken], given: str) -> AccessToken | None:
    """Give the token that was sent, if it is one of these; only one hash is made at the most."""
    identifier, _, secret = given.partition(".")
    for token in tokens:
        if hmac.compare_digest(token.id.encode(), identifier.encode()):
            return token if token.matches(secret) else None
    return None


def _hash(secret: str, salt: str) -> str:
    """Scrypt of a secret (RFC 7914), in hexadecimal."""
    return hashlib.scrypt(secret.encode(), salt=bytes.fromhex(salt), dklen=32, **SCRYPT).hex()
