"""Where the units, alerts, dashboards and docs of the package are."""

from __future__ import annotations

from importlib.resources import files as package_files
from pathlib import Path

from donkeywatch.errors import StateError

PARTS = (
    "deploy/donkeywatch.toml",
    "deploy/systemd",
    "deploy/prometheus",
    "deploy/compose/compose.yml",
    "deploy/compose/prepare.py",
    "deploy/compose/prometheus",
    "deploy/compose/config/donkeywatch.toml",
    "grafana/dashboards",
    "grafana/provisioning",
    "docs",
)
"""Files and directories, as they lie in the project; beside them may stand a word list and keys."""


def root() -> Path:
    """The directory that holds them: in the installed package, or the clone it is run from."""
    package = Path(str(package_files("donkeywatch")))
    for place in (package / "shipped", package.parents[1]):
        if all((place / part).exists() for part in PARTS):
            return place
    raise StateError(
        "the files that come with donkeywatch are not in this installation",
        "install it from a clone: pip install .",
    )
