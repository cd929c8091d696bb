"""The table `fleet` of the settings: one union of several servers."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from donkeywatch.settings.strict_model import Strict
from donkeywatch.settings.validators import FilePath, check_origin

PUBLIC_KEY_BYTES = 32
"""Bytes of a public key of X25519 (RFC 7748)."""
SCHEMES = ("clickhouse", "clickhouses", "chdb")


def check_fleet_url(url: SecretStr) -> SecretStr:
    """ValueError unless it names shards and a database, or the directory of an engine."""
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in SCHEMES:
        raise ValueError("give clickhouse://host:9000/database, or chdb:///directory")
    if parts.scheme == "chdb":
        if parts.netloc or not parts.path.strip("/"):
            raise ValueError(
                "give the directory as a whole path: chdb:///var/lib/donkeywatch/fleet"
            )
    elif not parts.netloc or not parts.path.strip("/").isidentifier():
        raise ValueError("give hosts and a database: clickhouse://host:9000,host2:9000/database")
    elif parts.password is not None:
        raise ValueError("no password in `url`: put it into the file `password_file` names")
    return url


def check_public_key(text: str) -> str:
    """ValueError unless it is a public key as `donkeywatch fleet identity` prints it."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise ValueError("not a public key; `donkeywatch fleet identity` prints one")
    return text


FleetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
PublicKey = Annotated[str, AfterValidator(check_public_key)]


class Fleet(Strict):
    """One exact union of several servers, counted on ClickHouse; see fleet.md."""

    url: Annotated[SecretStr, AfterValidator(check_fleet_url)] | None = Field(
        None,
        description="where rows are united: `clickhouse://host:9000,host2:9000/database`, a host a"
        " shard (`clickhouses://` with TLS), or `chdb:///directory` for an engine in this machine;"
        " none: no fleet",
    )
    password_file: FilePath | None = Field(
        None, description="file with the password of the user in `url`, mode 0600"
    )
    ca_file: FilePath | None = Field(
        None, description="PEM file of the authority that signed the hosts' certificates"
    )
    cluster: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]{0,64}$", description="ClickHouse's name of the cluster"
    )
    server: FleetName | None = Field(
        None, description="what this server is called in the fleet, by which its keys are asked for"
    )
    keys_url: Annotated[str, AfterValidator(check_origin)] | None = Field(
        None,
        description="origin of the `donkeywatch fleet serve` that hands out the weekly keys, such"
        " as `https://fleet.example.org`; none: files are carried by hand",
    )
    token_file: FilePath | None = Field(
        None, description="file with the token for `keys_url`, scope `fleet`, mode 0600"
    )
    issuer: PublicKey | None = Field(
        None, description="public key of who makes the weekly keys; no other's are taken"
    )
    servers: dict[FleetName, PublicKey] = Field(
        default_factory=dict,
        description="for `fleet serve`: the servers by name with their public keys, as"
        " `donkeywatch fleet identity` prints them",
    )

    @property
    def ships(self) -> bool:
        """Whether the rows of closed hours go to the fleet."""
        return self.url is not None and self.server is not None

    @model_validator(mode="after")
    def _check_fleet(self) -> Fleet:
        if self.url is not None and not self.servers and (not self.server or not self.issuer):
            raise ValueError("a server of a fleet needs `server` and `issuer`")
        if (self.keys_url is None) != (self.token_file is None):
            raise ValueError("`keys_url` and `token_file` go together")
        return self
