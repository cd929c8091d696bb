"""The smallest settings that work, for tests that bring their own log."""

from __future__ import annotations

from pathlib import Path

from donkeywatch.ingest import lexicon_template


def write_settings(directory: Path, source: str = "") -> Path:
    """Write settings for a log `search.log` in `tsv`, and a word list; ``source`` is more TOML."""
    lexicon_template.write(directory / "lexicon.toml")
    settings = directory / "donkeywatch.toml"
    settings.write_text(
        'state = "state"\nlexicon = "lexicon.toml"\n'
        f'[[source]]\npath = "search.log"\nformat = "tsv"\n{source}'
    )
    return settings
