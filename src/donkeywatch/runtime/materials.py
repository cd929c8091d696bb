"""The files an engine works with, beside its settings."""

from __future__ import annotations

from dataclasses import dataclass

from donkeywatch.ingest import lexicon
from donkeywatch.ingest.countries import Countries
from donkeywatch.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class Materials:
    """The files an engine works with, read and checked; ConfigError when one is not usable."""

    lexicon: lexicon.Lexicon
    countries: Countries

    @classmethod
    def load(cls, settings: Settings) -> Materials:
        """Read them all."""
        return cls(lexicon.load(settings.lexicon), Countries(settings.countries))
