"""The one settings file: read, checked at start, and described as Markdown."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from donkeywatch.errors import ConfigError
from donkeywatch.settings import path_conflicts
from donkeywatch.settings.private_files import refuse_readable_by_others
from donkeywatch.settings.schema import TABLES, TOKEN_VARIABLE, Correction, Settings

STATE_VARIABLE = "DONKEYWATCH_STATE"
MAX_TOKEN = 4096
"""Characters that are read of a file with a token."""
RENAMED_SETTINGS = {
    "time.silence": "max_gap",
    "ingest.processes": "workers",
    "follow.scan": "scan_interval",
    "follow.doorbell": "watch_files",
    "retention.hours": "hourly_weeks",
    "retention.weeks": "weekly_weeks",
}
"""What settings of version 0.1.0 are called now, within the same table."""


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read settings; relative paths are relative to the file. ConfigError names each remedy."""
    try:
        raw = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"settings {path}: not readable ({error.strerror})",
            "name an existing file with --config, or let `donkeywatch init` write one",
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"settings {path}: not UTF-8", "save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:  # Also a number of thousands of digits.
        raise ConfigError(f"settings {path}: not valid TOML: {error}", "mend the line") from None
    if STATE_VARIABLE in environ:
        raw["state"] = environ[STATE_VARIABLE]
    _add_token(raw, path, environ)
    _add_lexicon(raw, environ)
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(
            f"settings {path}: {_format_errors(error)}", "see docs/configuration.md"
        ) from None
    settings = _resolve_paths(settings, path.parent.absolute())
    path_conflicts.refuse_conflicts(settings)
    return settings


def exposed_token(path: Path) -> str | None:
    """Tell where a token in a settings file can be read, or replaced, by others; None: nowhere.

    It is a warning and no error: a daemon that such settings worked for goes on.
    """
    try:
        http = tomllib.loads(path.read_text("utf-8-sig")).get("http")
        if not isinstance(http, dict) or "token" not in http:
            return None
        remedy = f"run: chmod o-r {path}, or put the token into a `token_file` of mode 0600"
        name = f"settings {path} with a token"
        refuse_readable_by_others(path, path.stat(), name, remedy)
    except ConfigError as error:
        return str(error)
    except (OSError, ValueError):
        return None  # The loader reports it.
    return None


def _add_token(raw: dict[str, object], settings: Path, environ: Mapping[str, str]) -> None:
    """A secret from the environment or a file; systemd passes a directory of credentials."""
    http = raw.setdefault("http", {})
    if not isinstance(http, dict):
        return
    if TOKEN_VARIABLE in environ:
        http["token"] = environ[TOKEN_VARIABLE]
        return
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    if named := http.get("token_file"):
        http["token"] = _token(settings.parent / str(named), "http.token_file")
    elif credentials and (file := settings.parent / credentials / "token").exists():
        http["token"] = _token(file, "the credential token,")


def _add_lexicon(raw: dict[str, object], environ: Mapping[str, str]) -> None:
    """The word list as a credential of systemd, where the settings name none."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory and "lexicon" not in raw and "lexicon_command" not in raw:
        path = Path(directory) / "lexicon"
        if path.exists():
            raw["lexicon"] = str(path)


def _token(file: Path, name: str) -> str:
    try:
        with open(file, encoding="utf-8-sig", opener=_without_waiting) as opened:
            state = os.fstat(opened.fileno())
            text = opened.read(MAX_TOKEN + 1).strip()
    except PermissionError:
        raise ConfigError(
            f"{name} {file}: this user may not read it",
            "repeat the command as root or as the daemon's user, and leave its mode as it is",
        ) from None
    except (OSError, ValueError):
        raise ConfigError(f"{name} {file}: not readable", "mend its path or mode") from None
    remedy = f"run: chmod 600 {file} (a secret of Docker: give it `mode: 0400`)"
    refuse_readable_by_others(file, state, f"{name} {file}", remedy)
    if len(text.split()) != 1 or len(text) > MAX_TOKEN:
        raise ConfigError(
            f"{name} {file}: {'not one word' if text else 'empty'}",
            "write a long random word into it, and nothing else",
        )
    return text


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def _resolve_paths(settings: Settings, base: Path) -> Settings:
    def resolve(path: Path | None) -> Path | None:
        return None if path is None else base / path

    http = settings.http.model_copy(
        update={
            "tls_certificate": resolve(settings.http.tls_certificate),
            "tls_key": resolve(settings.http.tls_key),
            "tokens": resolve(settings.http.tokens),
        }
    )
    return settings.model_copy(
        update={
            "state": base / settings.state,
            "keys": resolve(settings.keys),
            "lexicon": resolve(settings.lexicon),
            "countries": resolve(settings.countries),
            "source": tuple(
                source.model_copy(update={"path": base / source.path}) for source in settings.source
            ),
            "correction": Correction(record=resolve(settings.correction.record)),
            "detection": settings.detection.model_copy(
                update={"shadow_lexicon": resolve(settings.detection.shadow_lexicon)}
            ),
            "http": http,
            "fleet": settings.fleet.model_copy(
                update={
                    name: resolve(getattr(settings.fleet, name))
                    for name in ("password_file", "ca_file", "token_file")
                }
            ),
        }
    )


def _format_errors(error: ValidationError) -> str:
    errors = error.errors(include_input=False, include_context=False)
    # Where an entry of a list is wrong, pydantic has it that the list is too short, too.
    entries = {error_details["loc"][0] for error_details in errors if len(error_details["loc"]) > 1}
    return "; ".join(
        _format_error(
            error_details["type"],
            [str(part) for part in error_details["loc"]],
            error_details["msg"],
        )
        for error_details in errors
        if not (error_details["type"] == "too_short" and error_details["loc"][0] in entries)
    )


def _format_error(kind: str, location: list[str], message: str) -> str:
    place = ".".join(str(int(part) + 1) if part.isdigit() else part for part in location)
    if kind == "missing":
        return f"`{place}` is missing"
    if kind == "extra_forbidden":
        model: type[BaseModel] = Settings
        for part in location[:-1]:
            model = TABLES.get(part, model)
        if (new_name := RENAMED_SETTINGS.get(place)) is not None:
            return f"`{place}` is called `{new_name}` since version 0.2.0: rename it"
        close = difflib.get_close_matches(location[-1], list(model.model_fields), 1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        return f"`{place}` is not a setting{hint}"
    if kind == "tuple_type":
        table = f", with `[[{place}]]` in double brackets" if place in TABLES else ", in brackets"
        return f"{place}: give a list{table}"
    message = message.removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _format_default(default: object) -> str:
    return repr(str(default) if isinstance(default, Path) else default)


def settings_markdown() -> str:
    """The settings as Markdown, for docs/configuration.md."""
    parts = []
    models: dict[str, type[BaseModel]] = {"": Settings, **TABLES}
    for section, model in models.items():
        rows = []
        for name, field in model.model_fields.items():
            if not section and name in TABLES and name != "source":
                continue
            default = (
                "**required**"
                if field.is_required()
                else f"`{_format_default(field.get_default(call_default_factory=True))}`"
            )
            rows.append(f"| `{name}` | {default} | {field.description} |")
        title = f"`[{section}]`" if section else "Top level"
        title = "`[[source]]`" if section == "source" else title
        text = (model.__doc__ or "").strip()
        parts.append(
            f"## {title}\n\n{text}\n\n| setting | default | meaning |\n|---|---|---|\n"
            + "\n".join(rows)
            + "\n"
        )
    return "\n".join(parts)
