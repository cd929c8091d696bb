"""A settings file to begin with: the answers of `donkeywatch init`, with comments."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from donkeywatch.settings.schema import Source


@dataclass(frozen=True, slots=True)
class Answers:
    """What an operator decides before the first start."""

    title: str
    state: Path
    lexicon: Path
    countries: Path | None
    source: Source
    host: str
    port: int
    token_file: Path | None


def render(answers: Answers) -> str:
    """The settings file as TOML."""
    source = answers.source
    lines = [
        "# Settings of donkeywatch, begun by `donkeywatch init`; docs/configuration.md lists all.",
        "# Check a change with  donkeywatch check --config FILE",
        "",
        "# Shown on the page and by the API: which server this is.",
        _line("title", answers.title),
        "",
        "# Database and, in its directory `keys`, the keys of the pseudonyms.",
        _line("state", answers.state),
        "# The word list: yours alone, mode 0600.",
        _line("lexicon", answers.lexicon),
        "# Country of an address, from a local file. A newer file is a break in the series.",
        _line("countries", answers.countries) if answers.countries else '#countries = "x.mmdb"',
        "",
        "[[source]]",
        _line("name", source.name),
        _line("path", source.path),
        _line("format", source.format),
    ]
    if source.wrapper is not None:
        lines.append(_line("wrapper", source.wrapper))
    if source.keys:
        keys = ", ".join(f"{kind} = {_quoted(name)}" for kind, name in source.keys.items())
        lines.append(f"keys = {{ {keys} }}")
    if source.timezone is not None:
        lines += ["# Zone of its stamps, which tell none.", _line("timezone", source.timezone)]
    lines += [
        "",
        "[http]",
        "# These are the operator's figures: any address but loopback needs a token.",
        _line("host", answers.host),
        f"port = {answers.port}",
    ]
    if answers.token_file is not None:
        lines.append(_line("token_file", answers.token_file))
    return "\n".join(lines) + "\n"


def _line(name: str, value: str | Path) -> str:
    return f"{name} = {_quoted(str(value))}"


def _quoted(text: str) -> str:
    """A basic string of TOML, which has the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
