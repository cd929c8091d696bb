"""What differs between two settings files, by name and never by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from donkeywatch.settings import loader
from donkeywatch.settings.schema import Http, Settings
from donkeywatch.settings.settings_changes import changed_settings, needs_restart

BASE = 'lexicon = "lexicon.toml"\n[[source]]\nname = "one"\npath = "one.log"\nformat = "tsv"\n'


def settings(directory: Path, text: str) -> Settings:
    """Settings out of a file with this text."""
    path = directory / "donkeywatch.toml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return loader.load(path, {})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (BASE, []),
        ('title = "x"\n' + BASE, ["title"]),
        (BASE.replace("one.log", "two.log"), ["source one: path"]),
        (BASE.replace('"one"', '"two"'), ["source two (new)", "source one (gone)"]),
        (BASE + "[time]\nlateness = 60\n", ["time.lateness"]),
        (BASE + '[http]\nport = 1\ntoken = "zqorvtoken"\n', ["http.port", "http.token"]),
        (BASE + "[retention]\nhourly_weeks = 9\n", ["retention.hourly_weeks"]),
    ],
)
def test_what_changed_is_named(tmp_path: Path, text: str, names: list[str]) -> None:
    """As it stands in the file."""
    old, new = settings(tmp_path, BASE), settings(tmp_path, text)
    assert changed_settings(old, new) == names
    assert len(changed_settings(new, old)) == len(names)


def test_of_the_web_server_only_certificates_are_taken_by_a_reload() -> None:
    """A socket that is open has its address, and a running application its rules."""
    restarted = {name for name in Http.model_fields if needs_restart(f"http.{name}")}
    assert restarted == set(Http.model_fields) - {"tls_certificate", "tls_key"}
    others: list[Any] = ["title", "time.lateness", "source one: path", "lexicon"]
    assert not any(map(needs_restart, others))
