"""A weekly key on its way: sealed to one server's public key by the issuer the server trusts.

The construction is that of an authenticated box: X25519 (RFC 7748) between an ephemeral key and
the server's, and between the issuer's key and the server's, both through HKDF-SHA256 (RFC 5869)
into one key of ChaCha20-Poly1305 (RFC 8439). Who has no private key of the two can neither open a
sealed key nor make one that the server would take.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from donkeywatch.counting.calendar import week_name, week_of
from donkeywatch.errors import ConfigError
from donkeywatch.ingest.keyring import KEY_BYTES
from donkeywatch.settings.private_files import read_private_file, write_private_file

IDENTITY_NAME = "fleet-identity.key"
"""File in the key directory with the private key of a server, or of the issuer."""
PURPOSE = b"donkeywatch weekly key 1"
NONCE = bytes(12)
"""No other message is ever sealed under the same key: its ephemeral half is made anew."""


class Identity:
    """The private key of a server or of the issuer, by which others know it."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    @classmethod
    def load_or_create(cls, key_directory: Path) -> Identity:
        """Read it from the key directory, where the first call makes it; ConfigError if others
        can read it."""
        path = key_directory / IDENTITY_NAME
        if not path.exists():
            write_private_file(path, secrets.token_bytes(KEY_BYTES))
        return cls(X25519PrivateKey.from_private_bytes(read_private_file(path, str(path))))

    @property
    def public_text(self) -> str:
        """The public key as settings hold it."""
        return base64.b64encode(self.public).decode()

    def shared(self, public: bytes) -> bytes:
        """The secret that this identity has in common with the owner of a public key."""
        return self._private.exchange(X25519PublicKey.from_public_bytes(public))


@dataclass(frozen=True, slots=True)
class SealedKey:
    """The key of the week that starts at ``week`` (ms UTC), readable for one server alone."""

    week: int
    server: str
    ephemeral: bytes
    sealed: bytes

    def to_text(self) -> str:
        """The content of a file that can travel."""
        return json.dumps(
            {
                "week": week_name(self.week),
                "start": self.week,
                "server": self.server,
                "ephemeral": base64.b64encode(self.ephemeral).decode(),
                "sealed": base64.b64encode(self.sealed).decode(),
            }
        )

    @classmethod
    def of_text(cls, text: str) -> SealedKey:
        """Read such a file; ConfigError where it is none."""
        try:
            fields = json.loads(text)
            week, ephemeral, sealed = (fields[name] for name in ("start", "ephemeral", "sealed"))
            if not isinstance(week, int) or week != week_of(week):
                raise ValueError
            decoded = (base64.b64decode(part, validate=True) for part in (ephemeral, sealed))
            return cls(week, str(fields["server"]), *decoded)
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise ConfigError(
                "not a sealed key of a fleet",
                "`donkeywatch fleet keys make` writes one file for each server and week",
            ) from None


def seal(key: bytes, week: int, server: str, public: bytes, issuer: Identity) -> SealedKey:
    """Seal the key of a week (ms UTC) to the public key of a server."""
    ephemeral = Identity(X25519PrivateKey.generate())
    secret = ephemeral.shared(public) + issuer.shared(public)
    context = _context(week, server, ephemeral.public, public, issuer.public)
    sealed = _cipher(secret, context).encrypt(NONCE, key, context)
    return SealedKey(week, server, ephemeral.public, sealed)


def unseal(sealed: SealedKey, server: str, identity: Identity, issuer: bytes) -> bytes:
    """Open a sealed key; ConfigError if it is of another issuer or for another server."""
    try:
        if sealed.server != server:
            raise ValueError
        secret = identity.shared(sealed.ephemeral) + identity.shared(issuer)
        context = _context(sealed.week, server, sealed.ephemeral, identity.public, issuer)
        return _cipher(secret, context).decrypt(NONCE, sealed.sealed, context)
    except (InvalidTag, ValueError):
        raise ConfigError(
            f"the sealed key of week {week_name(sealed.week)} is not for this server, or not from"
            " its issuer",
            "compare `fleet.server`, `fleet.issuer` and what `donkeywatch fleet identity` prints"
            " with the settings of `donkeywatch fleet serve`",
        ) from None


def _context(week: int, server: str, ephemeral: bytes, public: bytes, issuer: bytes) -> bytes:
    return b"\n".join((PURPOSE, str(week).encode(), server.encode(), ephemeral + public + issuer))


def _cipher(secret: bytes, context: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), KEY_BYTES, None, context).derive(secret))
