"""Values of settings that are checked by themselves: zones, encodings, hosts, tokens, paths."""

from __future__ import annotations

import codecs
import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, SecretStr

MAX_TOKEN = 4096
"""Characters; a request's head of 16 KiB has room for it, as a password in base64, too."""
MIN_TOKEN = 8
"""Characters of a token that nobody guesses by chance."""
OWN_PATHS = {
    "api", "assets", "docs", "favicon.ico", "healthz", "metrics", "openapi.json", "readyz",
}  # fmt: skip
"""First parts of the paths of the application, which a root path cannot begin with."""
MAX_PROCESSES = 8
"""Processes or threads that are worth while."""
HOST_NAME = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*"
    r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?"
)
ORIGIN = re.compile(
    r"(https://(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])|http://localhost)"
    r"(?::([1-9][0-9]{0,4}))?"
)
"""Scheme and host, and a port if there is one."""
USUAL_PORTS = {"https": "443", "http": "80"}
"""Ports that browsers leave out."""


def check_time_zone(name: str) -> str:
    """ValueError unless it is the name of an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone; use an IANA name such as Europe/Paris") from None
    return name


def check_encoding(name: str) -> str:
    """ValueError unless it is an encoding that extends ASCII."""
    try:
        plain = bytes(range(128))
        if plain.decode(name) != plain.decode("ascii") or plain.decode().encode(name) != plain:
            raise ValueError
        # Where a byte waits for the next one, as in ISO 2022, a plain line may mean another.
        first = codecs.getincrementaldecoder(name)
        if any(first("replace").decode(plain[i : i + 1]) != chr(i) for i in plain):
            raise ValueError
    except (LookupError, ValueError):
        raise ValueError("not an encoding that extends ASCII; use cp1252, say") from None
    return name


def clean_token(token: SecretStr) -> SecretStr:
    """Strip white space; ValueError where no HTTP header can hold the token."""
    text = token.get_secret_value().strip()
    if not text:
        raise ValueError("empty; give a long random word, or leave it out on loopback")
    if not re.fullmatch(f"[!-~]{{1,{MAX_TOKEN}}}", text):
        raise ValueError(
            "no HTTP header can hold it: it has a character that is not of ASCII, a space or a"
            f" control character, or more than {MAX_TOKEN} characters; give one long random word"
        )
    if len(text) < MIN_TOKEN:
        raise ValueError(
            f"shorter than {MIN_TOKEN} characters, so it can be guessed; give a long random word"
        )
    return SecretStr(text)


def check_host_name(name: str) -> str:
    """Lower the case of a name of the ``Host`` header; ValueError where it is none."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+", name.lower()):
        raise ValueError("give a name as clients ask for it, without scheme, port or path")
    return name.lower()


def clean_root_path(path: str) -> str:
    """Strip slashes at the end of a path; ValueError where it cannot be a root path."""
    path = path.rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path) or {".", ".."} & set(path.split("/")):
        raise ValueError("give a path such as /donkeywatch")
    first = path.split("/")[1] if path else ""
    if first in OWN_PATHS:
        raise ValueError(f"/{first} is a path of donkeywatch itself; take another one")
    return path


def check_origin(origin: str) -> str:
    """Lower the case of an origin as browsers send it (RFC 6454); ValueError where it is none.

    Only what nobody on the way can put himself in the place of: HTTPS, or this machine.
    """
    match = ORIGIN.fullmatch(origin.lower())
    if match is None or int(match[2] or 1) >= 1 << 16 or not _is_host(match[1].partition("//")[2]):
        raise ValueError(
            "give one origin, such as https://monitor.example.org or http://localhost:8080:"
            " without a path, and no other host by plain HTTP"
        )
    port = None if match[2] == USUAL_PORTS[origin.lower().partition(":")[0]] else match[2]
    return match[1] if port is None else f"{match[1]}:{port}"


def _is_host(name: str) -> bool:
    """Whether a host in a URL is an IPv6 address, where it is one in brackets."""
    if not name.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(name[1:-1])
    except ValueError:
        return False
    return True


def check_network(address: str) -> str:
    """ValueError unless it is an address or a network."""
    try:
        return str(ipaddress.ip_network(address))
    except ValueError:
        raise ValueError("give addresses or networks, such as 127.0.0.1 or 192.0.2.0/24") from None


def check_rotated(pattern: str) -> str:
    """ValueError unless it is a name pattern, perhaps behind a directory that is named plainly."""
    directory, _, name = pattern.rpartition("/")
    if not name or "\0" in pattern:
        raise ValueError("not a name pattern; give one such as search.log.*")
    if re.search(r"[*?\[]", directory):
        raise ValueError("only the name may have wildcards; give a pattern for each directory")
    return pattern


def check_path(path: Path) -> Path:
    """ValueError where no path can be so."""
    if "\0" in str(path):
        raise ValueError("not a path: it has a NUL character")
    return path


def check_file(path: Path) -> Path:
    """ValueError where no file can have this path."""
    if path == Path():
        raise ValueError("empty; name a file")
    return check_path(path)


def check_host(host: str) -> str:
    """ValueError unless it is an address or the name of a host."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        last = host.rpartition(".")[2]
        if len(host) > 253 or not HOST_NAME.fullmatch(host) or last[:1].isdigit():
            raise ValueError("not an address or a host name; a port is set by `port`") from None
    return host


DirectoryPath = Annotated[Path, AfterValidator(check_path)]
FilePath = Annotated[Path, AfterValidator(check_file)]


def usable_cores() -> int:
    """Count the cores that this process may use, up to a number that is worth while."""
    if hasattr(os, "sched_getaffinity"):
        return min(MAX_PROCESSES, len(os.sched_getaffinity(0)))
    return 1
