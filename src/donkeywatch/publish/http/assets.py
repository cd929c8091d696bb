"""The files of the page as they lie in the package, read once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Endings of what a browser may ask for; templates and licences are not among them."""


@cache
def assets() -> dict[str, tuple[str, bytes]]:
    """Content type and bytes by file name."""
    return {
        entry.name: (TYPES[ending], entry.read_bytes())
        for entry in files("donkeywatch.publish.http").joinpath("web").iterdir()
        if (ending := f".{entry.name.rpartition('.')[2]}") in TYPES
    }


@cache
def text(name: str) -> str:
    """A template."""
    return files("donkeywatch.publish.http").joinpath("web", name).read_text("utf-8")
