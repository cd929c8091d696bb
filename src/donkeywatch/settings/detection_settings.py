"""Settings of detection: by which profiles queries are compared with the word list."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from donkeywatch.settings.strict_model import Strict
from donkeywatch.settings.validators import FilePath

Profile = Literal["paper", "extended"]


class Detection(Strict):
    """How queries are compared with the word list; a series for each topic and profile."""

    profiles: tuple[Profile, ...] = Field(
        ("paper",),
        description="`paper` compares whole words, as the study did; with `extended` there is a"
        " second series of each topic, which sees through disguises",
    )

    shadow_lexicon: FilePath | None = Field(
        None,
        description="another word list, mode 0600, that is compared with the same queries; its"
        " series are named `topic.shadow`",
    )

    @field_validator("profiles")
    @classmethod
    def _check_profiles(cls, profiles: tuple[Profile, ...]) -> tuple[Profile, ...]:
        if "paper" not in profiles or len(set(profiles)) < len(profiles):
            raise ValueError('give ["paper"] or ["paper", "extended"]')
        return ("paper", "extended") if "extended" in profiles else ("paper",)
