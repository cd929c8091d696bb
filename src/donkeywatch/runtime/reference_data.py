"""The word list and the country database of an engine, loaded and checked."""

from __future__ import annotations

from dataclasses import dataclass

from donkeywatch.errors import ConfigError
from donkeywatch.ingest import lexicon_file
from donkeywatch.ingest.countries import CountryLookup
from donkeywatch.ingest.lexicon_model import Lexicon
from donkeywatch.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """The files an engine works with, read and checked; ConfigError when one is not usable."""

    lexicon: Lexicon
    countries: CountryLookup
    shadow: Lexicon | None = None
    """The list that is compared with the same queries, for series of its own."""

    @classmethod
    def load(cls, settings: Settings) -> ReferenceData:
        """Read them all; ConfigError where there is no log to use them for."""
        if not settings.source:
            raise ConfigError(
                "the settings name no log",
                "give a table `[[source]]`; `donkeywatch fleet serve` goes without",
            )
        shadow = settings.detection.shadow_lexicon
        return cls(
            lexicon_file.load_configured(settings),
            CountryLookup(settings.countries),
            None if shadow is None else lexicon_file.load(shadow),
        )
