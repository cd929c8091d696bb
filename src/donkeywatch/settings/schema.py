"""What can be set: every key of the settings file, typed, with its default and its meaning."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from donkeywatch.settings.detection_settings import Detection
from donkeywatch.settings.fleet_settings import Fleet
from donkeywatch.settings.format_trials import check_directives, try_pattern, try_time_format
from donkeywatch.settings.strict_model import Strict
from donkeywatch.settings.validators import (
    DirectoryPath,
    FilePath,
    check_encoding,
    check_host,
    check_host_name,
    check_network,
    check_origin,
    check_rotated,
    check_time_zone,
    clean_root_path,
    clean_token,
    usable_cores,
)

Matcher = Literal["auto", "pyahocorasick", "hyperscan"]
TOKEN_VARIABLE = "DONKEYWATCH_TOKEN"  # noqa: S105 - the name, not the secret
FormatName = Literal["enode-go", "tsv", "jsonl", "regex"]
Syntax = Literal["plain", "boolean", "enode-go"]
WrapperName = Literal["docker", "cri", "syslog"]


Seconds = Annotated[float, Field(gt=0)]
Weeks = Annotated[int, Field(ge=2, le=5200)]


class Source(Strict):
    """A log to follow."""

    name: str = Field("main", pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", description="label of the log")
    path: FilePath = Field(description="the log file; it need not exist yet")
    format: FormatName = Field(
        description="what its lines look like: " + ", ".join(get_args(FormatName))
    )
    wrapper: WrapperName | None = Field(
        None,
        description="what stands around each line: " + ", ".join(get_args(WrapperName)),
    )
    pattern: str | None = Field(
        None,
        description="`regex` only: groups ts, ip, query; anchored. Without ts the time is the"
        " wrapper's",
    )
    keys: dict[Literal["ts", "ip", "query"], str] = Field(
        default_factory=dict, description="`jsonl` only: names of the keys; dots reach inside"
    )
    time_format: str | None = Field(
        None, description="strptime format of the stamp; default ISO 8601 or unix times"
    )
    timezone: Annotated[str, AfterValidator(check_time_zone)] | None = Field(
        None, description="IANA zone of stamps that carry none"
    )
    encoding: Annotated[str, AfterValidator(check_encoding)] = Field(
        "cp1252", description="encoding of queries that are not UTF-8"
    )
    query_syntax: Syntax = Field(
        "plain", description="`boolean` when queries hold AND, OR, NOT; `enode-go` for trees"
    )
    strip_ansi: bool = Field(False, description="`regex` only: remove terminal colours first")
    max_line: int = Field(65536, ge=256, le=1 << 19, description="longest line, bytes")
    rotated: tuple[Annotated[str, AfterValidator(check_rotated)], ...] = Field(
        (),
        description="name patterns of rotated files, perhaps behind a directory, such as"
        " `archive/search.log*`; default the usual ones of `path`",
    )
    start: Literal["beginning", "end"] = Field(
        "beginning", description="where to begin in a log that is followed for the first time"
    )

    @property
    def parse_signature(self) -> str:
        """Everything that decides what a line means; a change of it is a break in the series."""
        parts = (
            "pattern", "keys", "time_format", "timezone", "encoding", "query_syntax", "strip_ansi",
            "wrapper",
        )  # fmt: skip
        values = self.model_dump(include=set(parts), exclude_defaults=True)
        return ";".join(
            [self.format, *(f"{name}:{values[name]}" for name in parts if name in values)]
        )

    @model_validator(mode="after")
    def _check_source(self) -> Source:
        if self.format == "regex":
            if self.pattern is None:
                raise ValueError("format `regex` needs `pattern`")
            try_pattern(self.pattern, is_stamped=self.wrapper is None)
            if "ts" not in re.compile(self.pattern).groupindex and self.time_format is not None:
                raise ValueError("`time_format` goes with the named group ts in `pattern`")
        elif self.pattern is not None:
            raise ValueError("`pattern` goes with format `regex`")
        if self.keys and self.format != "jsonl":
            raise ValueError("`keys` goes with format `jsonl`")
        names = list(self.keys.values())
        if "" in names or len(set(names)) < len(names):
            raise ValueError("`keys` has an empty name, or one name twice")
        if self.time_format is not None:
            self._check_time_format(self.time_format)
        return self

    def _check_time_format(self, layout: str) -> None:
        check_directives(layout)
        if not ("%Y" in layout and ("%d" in layout or "%j" in layout)) and "%c" not in layout:
            raise ValueError("`time_format` needs a four-digit year and a date")
        if "%z" not in layout and self.timezone is None:
            raise ValueError("`time_format` has no zone: set `timezone`")
        if self.format == "tsv" and "\t" in layout:
            raise ValueError("`time_format` has a tab, which ends the stamp in format `tsv`")
        try_time_format(layout, None if self.timezone is None else ZoneInfo(self.timezone))


class EventTime(Strict):
    """Event time, seconds."""

    lateness: Seconds = Field(120, le=3600, description="how long a window waits for late lines, s")
    future: Seconds = Field(
        300, le=86400, description="how far ahead of the clock a stamp may be, s"
    )
    max_gap: Seconds = Field(
        900,
        le=30 * 86400,
        description="a longer pause of the log is not covered where nobody looked meanwhile: in"
        " archives, while the monitor was down, or before a look that found the log emptied, s",
    )


class Checkpoint(Strict):
    """When counts are committed."""

    interval: Annotated[float, Field(ge=0.05, le=60)] = Field(1.0, description="longest wait, s")
    bytes: int = Field(16 << 20, ge=1 << 20, description="log bytes after which not to wait")


class Ingest(Strict):
    """How much of the machine is used while there is a lot to read."""

    workers: int = Field(
        0, ge=0, le=64, description="processes at work, this one among them; 0: one a core"
    )
    matcher: Matcher = Field(
        "auto", description="`auto` takes `hyperscan` where the extra `[fast]` is installed"
    )

    @property
    def worker_count(self) -> int:
        """The number of processes at work, this one among them."""
        return self.workers or usable_cores()


class Follow(Strict):
    """How files are watched."""

    scan_interval: Annotated[float, Field(ge=0.05, le=60)] = Field(
        1.0, description="time between two looks at the files, s"
    )
    watch_files: bool = Field(True, description="also wake up when the system reports a change")
    ready_lag: int = Field(1 << 20, ge=0, description="bytes it may be behind and still be ready")


class Backup(Strict):
    """Copies of the database in `state`/backups; all of them are destroyed with a week's key."""

    interval: float = Field(
        21600, ge=0, le=366 * 86400, description="time between two copies, s; 0 makes none"
    )
    keep: int = Field(3, ge=1, le=1000, description="how many are kept")


class Retention(Strict):
    """How long aggregates are kept; per-address rows live one to two weeks, always."""

    hourly_weeks: Weeks | None = Field(
        None, description="weeks to keep hourly counts, the oldest to its Monday; default for ever"
    )
    weekly_weeks: Weeks | None = Field(
        None, description="weeks to keep weekly counts; default for ever"
    )


class Correction(Strict):
    """The fraction corrected for errors of the detector; see evaluation.md."""

    record: FilePath | None = Field(
        None, description="record of `donkeywatch evaluate`; none: no corrected fraction"
    )


class Http(Strict):
    """The web server."""

    host: Annotated[str, AfterValidator(check_host)] = Field(
        "127.0.0.1", description="address to listen on; `::` is every one, IPv4 too"
    )
    port: int = Field(9461, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    token: Annotated[SecretStr, AfterValidator(clean_token)] | None = Field(
        None, description=f"bearer token; better set the variable {TOKEN_VARIABLE}"
    )
    token_file: FilePath | None = Field(None, description="file with the bearer token")
    tokens: FilePath | None = Field(
        None, description="file with named tokens and what each may read: `donkeywatch token add`"
    )
    names: tuple[Annotated[str, AfterValidator(check_host_name)], ...] = Field(
        (), description="more names (`Host`) to answer to without a token, such as a proxy's"
    )
    proxies: tuple[Annotated[str, AfterValidator(check_network)], ...] = Field(
        (), description="addresses of proxies whose `X-Forwarded-For` and `-Proto` are believed"
    )
    root_path: Annotated[str, AfterValidator(clean_root_path)] = Field(
        "", description="path under which a proxy shows it, such as `/donkeywatch`"
    )
    cors_origin: Annotated[str, AfterValidator(check_origin)] | None = Field(
        None,
        description="the one other origin whose pages may read the API, such as"
        " `https://monitor.example.org`; none: no other",
    )
    tls_certificate: FilePath | None = Field(
        None, description="PEM file; with `tls_key` serves HTTPS"
    )
    tls_key: FilePath | None = Field(None, description="PEM file of the key")

    @property
    def asks_for_token(self) -> bool:
        """Whether every answer needs a token."""
        return self.token is not None or self.tokens is not None

    @property
    def loopback(self) -> bool:
        """Tell whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Release(Strict):
    """What anyone may see, by a server of its own without a token; see release.md."""

    host: Annotated[str, AfterValidator(check_host)] = Field(
        "127.0.0.1", description="address to listen on; `::` is every one, IPv4 too"
    )
    port: int | None = Field(
        None, ge=0, le=65535, description="port to listen on; 0 takes a free one; default: none"
    )
    delay_hours: int = Field(
        24, ge=24, le=24 * 366, description="how long after its end a week is released, h"
    )


class Settings(Strict):
    """All settings of donkeywatch."""

    title: str = Field(
        "", max_length=100, description="name of the server, shown on the page and by the API"
    )
    demonstration: bool = Field(
        False, description="the log is simulated: the page says that its figures are invented"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="form of the daemon's own log: `text`, or `json` for an object a line"
    )
    state: DirectoryPath = Field(Path("donkeywatch-state"), description="directory of the database")
    keys: DirectoryPath | None = Field(
        None, description="directory of the keys; default `keys` in `state`"
    )
    lexicon: FilePath | None = Field(
        None,
        description="the operator's word list, mode 0600; by default the systemd credential"
        " `lexicon`, where there is one",
    )
    lexicon_command: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="in the place of a file: a command that writes the word list to its standard"
        ' output, such as `["age", "-d", "-i", "key.txt", "lexicon.age"]`; no shell',
    )
    countries: FilePath | None = Field(
        None, description="country database, .mmdb; none: country ZZ"
    )
    source: tuple[Source, ...] = Field(
        (), description="the logs, one table each; none for `fleet serve` alone"
    )
    time: EventTime = EventTime()
    checkpoint: Checkpoint = Checkpoint()
    detection: Detection = Detection()
    ingest: Ingest = Ingest()
    follow: Follow = Follow()
    backup: Backup = Backup()
    retention: Retention = Retention()
    correction: Correction = Correction()
    http: Http = Http()
    release: Release = Release()
    fleet: Fleet = Fleet()

    @property
    def key_directory(self) -> Path:
        """Where the keys are."""
        return self.keys or self.state / "keys"

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if not self.source and not self.fleet.servers:
            raise ValueError("there is no log: give at least one table `[[source]]`")
        names = [source.name for source in self.source]
        if len(set(names)) < len(names):
            raise ValueError("two sources have the same name")
        if not self.http.loopback and not self.http.asks_for_token:
            raise ValueError(
                f"http.host {self.http.host} is not loopback and there is no token:"
                f" set {TOKEN_VARIABLE} or http.token_file, or listen on 127.0.0.1"
            )
        if self.source and (self.lexicon is None) != bool(self.lexicon_command):
            raise ValueError("give `lexicon` or `lexicon_command`, one of the two")
        if (self.http.tls_certificate is None) != (self.http.tls_key is None):
            raise ValueError("http.tls_certificate and http.tls_key go together")
        if self.release.port and self.release.port == self.http.port:
            raise ValueError("release.port and http.port are the same: take another one")
        return self


TABLES: dict[str, type[BaseModel]] = {
    "source": Source,
    "time": EventTime,
    "checkpoint": Checkpoint,
    "detection": Detection,
    "ingest": Ingest,
    "follow": Follow,
    "backup": Backup,
    "retention": Retention,
    "correction": Correction,
    "http": Http,
    "release": Release,
    "fleet": Fleet,
}
"""Tables of the settings file by name."""
