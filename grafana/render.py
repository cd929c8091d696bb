"""Writes the dashboards as Grafana imports them: ``python grafana/render.py``."""

from __future__ import annotations

import json
from pathlib import Path

from boards import fleet, fractions, health

DASHBOARDS = Path(__file__).with_name("dashboards")


def rendered() -> dict[str, str]:
    """The text of each file by its name."""
    return {
        f"{module.__name__.rpartition('.')[2]}.json": json.dumps(module.dashboard(), indent=2)
        + "\n"
        for module in (fractions, health, fleet)
    }


if __name__ == "__main__":
    for name, text in rendered().items():
        (DASHBOARDS / name).write_text(text, encoding="utf-8")
