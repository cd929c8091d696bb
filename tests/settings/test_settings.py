"""Settings that can never work are refused when they are loaded, and none ends anything else."""

from __future__ import annotations

import string
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from donkeywatch.errors import DonkeywatchError
from donkeywatch.publish.http.app import create_app
from donkeywatch.runtime import checks
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.settings.schema import TABLES, Settings
from donkeywatch.settings.validators import usable_cores
from support.simulated_server import NOW

LEXICON = """title = "nonsense"
[topics.first.groups]
one = ["qvortelz"]
[[topics.first.categories]]
id = "one"
all = ["one"]
"""
LINE = "2026-11-23T11:00:00.000Z\t192.0.2.1\tzqorv plim\n"
WORDS = st.text(string.printable + "é\0", max_size=12)
STAMP = st.lists(
    st.sampled_from(
        [f"%{letter}" for letter in string.ascii_letters + "%3-:"]
        + ["%Y-%m-%d", "%H:%M:%S", "%z", "%Y", "%", " ", "T", ".", "/", "é", "\t"]
    ),
    max_size=9,
).map("".join)
PATTERN = st.one_of(
    WORDS,
    st.lists(
        st.sampled_from([
            "(?P<ts>", "(?P<ip>", "(?P<query>", "(?:", "(", ")", ")*", ")+", "[^ ]", "\\S+", ".*",
            "a", " ", "|", "?", "(?i)", "\\1", "{2,}", "{9999999999}", "\\d", "é",
        ]),
        max_size=12,
    ).map("".join),
    st.just(r"(?P<ts>[^\t]*)\t(?P<ip>[^\t]*)\t(?P<query>.*)"),
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30), st.integers(0, 5000), st.floats(), st.just(10**4000)
)
PATHS = st.one_of(
    WORDS,
    st.sampled_from([
        "search.log", "state", "state/keys", "state/donkeywatch.db", "lexicon.toml", ".", "..", "/",
        "/dev/null", "/dev/zero", "/proc/self/mem", "x" * 300, "gone/search.log", "link",
    ]),
)  # fmt: skip
ANYTHING = st.one_of(WORDS, NUMBERS, st.booleans(), st.lists(WORDS, max_size=3))
NAMES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "source": {
        "name": st.one_of(WORDS, st.just("paris")),
        "path": PATHS,
        "format": st.sampled_from(["tsv", "jsonl", "regex", "enode-go", "csv"]),
        "pattern": PATTERN,
        "keys": st.dictionaries(st.sampled_from(["ts", "ip", "query", "x"]), WORDS, max_size=3),
        "time_format": STAMP,
        "timezone": st.one_of(
            WORDS, st.sampled_from(["UTC", "Europe/Paris", "../etc", "zone.tab"])
        ),
        "encoding": st.one_of(
            WORDS, st.sampled_from(["utf-8", "idna", "punycode", "undefined", "rot13", "utf-7"])
        ),
        "query_syntax": st.sampled_from(["plain", "boolean", "enode-go"]),
        "strip_ansi": st.booleans(),
        "max_line": NUMBERS,
        "rotated": st.lists(st.one_of(WORDS, st.sampled_from(["[", "*", "*/x", "["])), max_size=3),
        "start": st.sampled_from(["beginning", "end"]),
        "wrapper": st.sampled_from(["docker", "cri", "syslog", "podman"]),
    },
    "time": dict.fromkeys(("lateness", "future", "max_gap"), NUMBERS),
    "checkpoint": dict.fromkeys(("interval", "bytes"), NUMBERS),
    "ingest": {"workers": NUMBERS, "matcher": st.sampled_from(["auto", "pyahocorasick"])},
    "detection": {
        "profiles": st.lists(st.sampled_from(["paper", "extended"]), max_size=3),
        "shadow_lexicon": PATHS,
    },
    "follow": {"scan_interval": NUMBERS, "watch_files": st.booleans(), "ready_lag": NUMBERS},
    "backup": dict.fromkeys(("interval", "keep"), NUMBERS),
    "retention": dict.fromkeys(("hourly_weeks", "weekly_weeks"), NUMBERS),
    "correction": {"record": PATHS},
    "http": {
        "tokens": PATHS,
        "host": st.one_of(WORDS, st.sampled_from(["127.0.0.1", "::1", "localhost", "x" * 64])),
        "port": NUMBERS,
        "token": WORDS,
        "token_file": PATHS,
        "tls_certificate": PATHS,
        "tls_key": PATHS,
        "names": st.lists(WORDS, max_size=3),
        "proxies": st.lists(st.one_of(WORDS, st.just("127.0.0.1")), max_size=3),
        "cors_origin": st.one_of(
            WORDS, st.sampled_from(["https://monitor.example", "http://localhost:80", "*"])
        ),
        "root_path": st.one_of(WORDS, st.sampled_from(["/donkeywatch", "/api", "/../x"])),
    },
    "release": {"host": WORDS, "port": NUMBERS, "delay_hours": NUMBERS},
    "fleet": {
        "url": st.one_of(
            WORDS,
            st.sampled_from(
                [
                    "clickhouse://localhost:9000,[::1]/fleet",
                    "clickhouse://u:p@h/d",
                    "chdb:///x",
                    "clickhouse://h:port/d",
                    "chdb://x",
                    "clickhouse:///d",
                    "clickhouses://h/1",
                ]
            ),
        ),
        "password_file": PATHS,
        "ca_file": PATHS,
        "token_file": PATHS,
        "cluster": WORDS,
        "server": st.one_of(WORDS, st.just("first")),
        "keys_url": st.one_of(WORDS, st.just("https://fleet.example.org")),
        "issuer": st.one_of(WORDS, st.just("A" * 43 + "=")),
        "servers": st.dictionaries(WORDS, WORDS, max_size=2),
    },
    "": {
        "title": WORDS,
        "lexicon_command": st.lists(WORDS, max_size=2),
        "log_format": st.sampled_from(["text", "json", "xml"]),
        "demonstration": st.booleans(),
        "keys": PATHS,
        "countries": PATHS,
        "state": st.sampled_from(["state", "other"]),
    },
}


@st.composite
def chosen(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """A few settings of a few tables, most of them of the kind that is expected."""
    result: dict[str, dict[str, Any]] = {}
    for _ in range(draw(st.integers(1, 4))):
        table = draw(st.sampled_from(sorted(NAMES)))
        name = draw(st.sampled_from(sorted(NAMES[table])))
        irregular = draw(st.integers(0, 9)) == 0
        result.setdefault(table, {})[name] = draw(ANYTHING if irregular else NAMES[table][name])
    return result


def toml(value: object) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {toml(inner)}' for name, inner in value.items())}}}"
    return repr(value)


def written(directory: Path, tables: dict[str, dict[str, Any]]) -> Path:
    """A settings file with these settings, a lexicon and a log of one line."""
    (directory / "lexicon.toml").write_text(LEXICON)
    (directory / "lexicon.toml").chmod(0o600)
    (directory / "search.log").write_text(LINE)
    (directory / "link").symlink_to("link")
    top = {"state": "state", "lexicon": "lexicon.toml", **tables.get("", {})}
    source = {"path": "search.log", "format": "tsv", **tables.get("source", {})}
    if source["format"] == "regex":
        source.setdefault("pattern", r"(?P<ts>[^\t]*)\t(?P<ip>[^\t]*)\t(?P<query>.*)")
    text = "".join(f"{name} = {toml(value)}\n" for name, value in top.items())
    text += "[[source]]\n" + "".join(f"{name} = {toml(value)}\n" for name, value in source.items())
    for table in set(tables) - {"", "source"}:
        text += f"[{table}]\n"
        text += "".join(f"{name} = {toml(value)}\n" for name, value in tables[table].items())
    path = directory / "my.toml"
    path.write_text(text, "utf-8")
    return path


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables=chosen())
def test_settings_are_refused_or_work(tables: dict[str, dict[str, Any]]) -> None:
    """Whatever is set: a message with a remedy, or an engine that counts; never another error."""
    with TemporaryDirectory() as directory:
        path = written(Path(directory), tables)
        try:
            loaded = loader.load(path, {})
            engine = Engine(loaded, NOW)
        except DonkeywatchError:
            return
        try:
            for step in range(3):
                engine.tick(NOW + 1000 * step)
                engine.start_backup_if_due(NOW + 1000 * step, 1000 * step)
            create_app(lambda: loaded, engine.status)
            engine.commit(NOW + 3000, 3000)
        finally:
            engine.close()
        for check in checks.run_checks(loaded):
            assert check.error is None or check.error.remedy


def test_what_is_set_here_is_what_can_be_set() -> None:
    """No setting is missing above."""
    tables: dict[str, type[BaseModel]] = {"": Settings, **TABLES}
    for table, model in tables.items():
        names = set(model.model_fields) - set(TABLES)
        assert names - {"lexicon"} == set(NAMES[table]), table


def test_there_is_a_core() -> None:
    """And never more than are worth while."""
    assert 1 <= usable_cores() <= 8
