"""Makes what the containers need beside compose.yml: settings, identities, keys, tokens."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

OWNER = 10001
"""The user of all containers but ClickHouse's."""
SERVERS = ("first", "second", "third")
DIRECTORIES = (*SERVERS, "union", "prometheus", "grafana", "token", "grafana-secret")
WORDS = ("token/token", "grafana-secret/password")
"""Random words that are made once: what Prometheus tells donkeywatch, and Grafana's password."""
URL, CLUSTER = "clickhouse://shard1:9000,shard2:9000/fleet", "monitors"
SIMULATED = """title = "Simulated server {name}"
demonstration = true
state = "state"
lexicon = "archive/lexicon.toml"
countries = "archive/countries.mmdb"

[[source]]
name = "simulated"
path = "search.log"
format = "tsv"
"""
HTTP = """
[http]
host = "0.0.0.0"
token_file = "token"
"""
FLEET = """
[fleet]
url = "{url}"
cluster = "{cluster}"
"""


def donkeywatch(*arguments: str | Path) -> str:
    """Run a command; what it printed."""
    command = [sys.executable, "-m", "donkeywatch", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603 - our own command


def prepare(base: Path, url: str = URL, cluster: str = CLUSTER) -> None:
    """Make a fleet of three simulated servers; what was made before is left as it is."""
    data = base / "data"
    for name in DIRECTORIES:
        (data / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in WORDS:
        if not (data / name).exists():
            _write(data / name, secrets.token_urlsafe(32))
    if (data / "union" / "donkeywatch.toml").exists():
        return
    token = (data / WORDS[0]).read_text()
    fleet = FLEET.format(url=url, cluster=cluster)
    # Settings with all but the keys of the others, which `fleet identity` makes.
    for name in SERVERS:
        _write(data / name / "donkeywatch.toml", SIMULATED.format(name=name) + HTTP)
        _write(data / name / "token", token)
    publics = {name: _identity(data / name) for name in SERVERS}
    listed = "\n".join(f'{name} = "{public}"' for name, public in publics.items())
    union = data / "union" / "donkeywatch.toml"
    _write(data / "union" / "token", token)
    text = f'title = "Union of three servers"\ndemonstration = true\nstate = "state"\n{HTTP}{fleet}'
    part = union.with_suffix(".part")
    _write(part, f"{text}[fleet.servers]\n{listed}\n")
    donkeywatch("fleet", "init", "-c", part)
    issuer = donkeywatch("fleet", "identity", "-c", part)
    donkeywatch("fleet", "keys", "make", "-c", part)
    for name in SERVERS:
        settings = data / name / "donkeywatch.toml"
        mine = f'{fleet}server = "{name}"\nissuer = "{issuer}"\n'
        _write(settings, settings.read_text() + mine)
        files = sorted((data / "union" / "state" / "sealed-keys").glob(f"*/{name}.json"))
        donkeywatch("fleet", "keys", "open", "-c", settings, *files)
    part.rename(union)


def _identity(directory: Path) -> str:
    return donkeywatch("fleet", "identity", "-c", directory / "donkeywatch.toml")


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def give_away(base: Path, owner: int = OWNER) -> None:
    """Give all of it to the user of the containers."""
    for name in DIRECTORIES:
        for path in ((base / "data" / name), *(base / "data" / name).rglob("*")):
            os.chown(path, owner, owner, follow_symlinks=False)


if __name__ == "__main__":
    prepare(Path(__file__).parent)
    give_away(Path(__file__).parent)
