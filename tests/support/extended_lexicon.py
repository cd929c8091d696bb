"""A word list of nonsense that has every kind of entry of the profile `extended`."""

from __future__ import annotations

from donkeywatch.ingest.detector import Detector
from donkeywatch.ingest.extended.evidence import LEVELS
from donkeywatch.ingest.lexicon_model import Lexicon

LEXICON = Lexicon.model_validate(
    {
        "topics": {
            "first": {
                "groups": {
                    "child": [
                        "zqorv", "qvlop", "xkoll", "qv\u00e9xk", "ab",
                        "\u044a\u044b\u044a\u043a\u0442\u043e",
                        {"word": "\u3402\u3403", "match": "substring"},
                    ],
                    "sex": [
                        "xkarno", "orvzq", {"word": "minxk zqel", "match": "phrase"},
                        {"word": "kvezq", "match": "prefix"},
                        {"word": "ezqat", "match": "substring", "language": "xx"},
                        {"word": "zqimbalo", "edit_distance": 1},
                    ],
                },
                "ages": {
                    "minimum": 1, "maximum": 17, "suffixes": ["zqy"], "prefixes": ["azqen"],
                    "number_words": {"twelzq": 12, "nizq": 9, "fortzq": 40},
                    "exclude": ["epzq"],
                },
                "categories": [
                    {"id": "both", "all": ["child", "sex"]},
                    {"id": "aged", "all": ["age", "child|sex"]},
                    {"id": "only_sex", "all": ["sex"]},
                ],
                "exceptions": [
                    {"words": ["zqorvian"], "reason": "a town"},
                    {"words": ["sazqen"], "scope": "query", "reason": "a game"},
                ],
            },
            "second": {
                "groups": {"terms": ["sex", "porno", "anal", "xxx", "porn"]},
                "categories": [{"id": "terms", "all": ["terms"]}],
            },
        }
    }
)  # fmt: skip
DETECTOR = Detector(LEXICON, profiles=("paper", "extended"))
SHADOWED = Detector(LEXICON, "auto", ("paper", "extended"), LEXICON)
"""The same list once more in its own shadow, where entries may differ by a letter."""


def categories_of(text: str, topic: int = 0) -> tuple[str | None, str | None]:
    """What `paper` finds in a query of a topic, and what `extended` does, with its evidence."""
    codes = DETECTOR.classify_text(text)
    assert codes is not None
    names = [
        series.categories[code - 1] if code else None
        for series, code in zip(DETECTOR.topics, codes, strict=True)
    ]
    return names[topic], names[topic + 2]


def level(text: str) -> str | None:
    """The level of evidence of a query of the first topic."""
    category = categories_of(text)[1]
    evidence = category.partition(".")[2] if category else None
    assert evidence is None or evidence in LEVELS
    return evidence
