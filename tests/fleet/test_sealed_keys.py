"""Weekly keys that travel: who can open one, and whose are taken."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import WEEK, week_of
from donkeywatch.errors import ConfigError
from donkeywatch.fleet.sealed_keys import IDENTITY_NAME, Identity, SealedKey, seal, unseal
from donkeywatch.ingest.keyring import KEY_BYTES

MONDAY = week_of(1_796_000_000_000)


@pytest.fixture
def identities(tmp_path: Path) -> dict[str, Identity]:
    """An issuer, a server, and somebody else."""
    return {
        name: Identity.load_or_create(_made(tmp_path / name))
        for name in ("issuer", "server", "stranger")
    }


def _made(directory: Path) -> Path:
    directory.mkdir(mode=0o700)
    return directory


def test_the_server_it_is_sealed_to_opens_it(identities: dict[str, Identity]) -> None:
    """As a text that can travel; the key itself is nowhere in it."""
    key = secrets.token_bytes(KEY_BYTES)
    server, issuer = identities["server"], identities["issuer"]
    text = seal(key, MONDAY, "first", server.public, issuer).to_text()
    assert unseal(SealedKey.of_text(text), "first", server, issuer.public) == key
    assert key.hex() not in text
    assert seal(key, MONDAY, "first", server.public, issuer).to_text() != text


def test_nobody_else_opens_it_and_no_other_key_is_taken(identities: dict[str, Identity]) -> None:
    """Not with another private key, for another server or week, nor one of another issuer."""
    server, issuer, stranger = (identities[name] for name in ("server", "issuer", "stranger"))
    sealed = seal(secrets.token_bytes(KEY_BYTES), MONDAY, "first", server.public, issuer)
    forged = seal(secrets.token_bytes(KEY_BYTES), MONDAY, "first", server.public, stranger)
    broken = bytes([sealed.sealed[0] ^ 1]) + sealed.sealed[1:]
    for changed, name, identity in (
        (sealed, "first", stranger),
        (sealed, "second", server),
        (replace(sealed, server="second"), "second", server),
        (replace(sealed, week=MONDAY + WEEK), "first", server),
        (replace(sealed, sealed=broken), "first", server),
        (replace(sealed, ephemeral=bytes(32)), "first", server),
        (forged, "first", server),
    ):
        with pytest.raises(ConfigError, match="not for this server"):
            unseal(changed, name, identity, issuer.public)


def test_an_identity_is_made_once_and_kept_private(tmp_path: Path) -> None:
    """The file is readable by its owner alone, or refused."""
    first = Identity.load_or_create(tmp_path)
    assert Identity.load_or_create(tmp_path).public == first.public
    path = tmp_path / IDENTITY_NAME
    assert path.stat().st_mode & 0o077 == 0
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read it"):
        Identity.load_or_create(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"start": 1, "server": "a", "ephemeral": "", "sealed": ""}', "null"]
)
def test_what_is_no_sealed_key_is_refused(text: str) -> None:
    """With what makes one."""
    with pytest.raises(ConfigError, match="not a sealed key") as error:
        SealedKey.of_text(text)
    assert "fleet keys make" in error.value.remedy
