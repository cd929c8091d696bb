"""Settings of version 0.1.0 that have another name now are refused with that name."""

from __future__ import annotations

from pathlib import Path

import pytest

from donkeywatch.errors import ConfigError
from donkeywatch.settings import loader
from donkeywatch.settings.schema import TABLES

OLD_FILE = """lexicon = "lexicon.toml"
[[source]]
path = "search.log"
format = "tsv"
[{table}]
{key} = 1
"""


@pytest.mark.parametrize(("old", "new"), loader.RENAMED_SETTINGS.items())
def test_a_retired_name_is_refused_with_the_new_one(tmp_path: Path, old: str, new: str) -> None:
    """The message names both, and the new one exists."""
    table, key = old.split(".")
    assert new in TABLES[table].model_fields
    assert key not in TABLES[table].model_fields
    path = tmp_path / "donkeywatch.toml"
    path.write_text(OLD_FILE.format(table=table, key=key))
    with pytest.raises(ConfigError) as refused:
        loader.load(path, {})
    assert f"`{old}` is called `{new}` since version 0.2.0" in str(refused.value)
