"""Which settings differ between two states of the settings file."""

from __future__ import annotations

from pydantic import BaseModel

from donkeywatch.settings.schema import Http, Settings

RELOADED_HTTP = {"tls_certificate", "tls_key"}
"""What a reload takes of the table `http`: renewed certificates. The rest waits for a start."""
LISTENING = {"host", "port"}
"""What a reload does not take of the table `release`."""
SOURCE = "source"


def changed_settings(old: Settings, new: Settings) -> list[str]:
    """Names of the settings that differ, as they stand in the file; never a value."""
    names = []
    for name in Settings.model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if name == SOURCE:
            names += _changed_sources(old, new)
        elif isinstance(before, BaseModel):
            names += [f"{name}.{field}" for field in _changed_fields(before, after)]
        elif before != after:
            names.append(name)
    return names


def needs_restart(name: str) -> bool:
    """Tell whether a setting takes effect at the next start only."""
    table, _, field = name.partition(".")
    if name == "log_format":
        return True
    if table == "release":
        return field in LISTENING
    return table == "http" and field in Http.model_fields and field not in RELOADED_HTTP


def _changed_sources(old: Settings, new: Settings) -> list[str]:
    before = {source.name: source for source in old.source}
    after = {source.name: source for source in new.source}
    names = [f"source {name} (new)" for name in after if name not in before]
    names += [f"source {name} (gone)" for name in before if name not in after]
    for name in after:
        if name in before:
            fields = _changed_fields(before[name], after[name])
            names += [f"source {name}: {field}" for field in fields]
    return names


def _changed_fields(old: BaseModel, new: BaseModel) -> list[str]:
    return [field for field in type(old).model_fields if getattr(old, field) != getattr(new, field)]
