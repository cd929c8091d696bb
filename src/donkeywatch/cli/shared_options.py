"""Options that several verbs have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Weeks = Annotated[int, typer.Option(min=1, max=520, help="weeks of archive, up to this hour")]
Queries = Annotated[int, typer.Option(min=1, help="queries in the archive, about")]
Addresses = Annotated[int, typer.Option(min=10, max=16_000_000, help="addresses there are")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same bytes")]
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="the settings file", envvar="DONKEYWATCH_CONFIG")
]
DEFAULT_CONFIG = Path("donkeywatch.toml")
