"""Ages are parsed: a number or a word for one, beside what makes it an age."""

from __future__ import annotations

import pytest

from support.extended_lexicon import categories_of


@pytest.mark.parametrize(
    ("age", "evidence"),
    [
        ("12zqy", "exact"), ("12 zqy", "exact"), ("07 zqy", "exact"), ("12-14 zqy", "exact"),
        ("twelzq zqy", "age"), ("twelzqzqy", "age"), ("TWELZQ-zqy", "age"), ("azqen12", "age"),
        ("azqen 12", "age"), ("azqen twelzq", "age"), ("\u0661\u0662 zqy", "age"),
        ("\U0001d7cf\U0001d7d0zqy", "exact"), ("nizq-twelzq zqy", "age"),
    ],
)  # fmt: skip
def test_ages(age: str, evidence: str) -> None:
    """Joined or apart, digits of any script, words for numbers, ranges."""
    assert categories_of(f"{age} zqorv")[1] == f"aged.{evidence}"


@pytest.mark.parametrize(
    "number",
    [
        "18zqy", "45 zqy", "fortzq zqy", "112zqy", "1999 zqy", "zqy 12", "12", "azqen 45",
        "azqen12mb", "epzq azqen 12", "twelzq zqy epzq", "episode twelzq zqy", "twelzq     zqy",
        "azqen 1080", "s01e12", "twelzq kamo zqy",
    ],
)  # fmt: skip
def test_no_ages(number: str) -> None:
    """Outside of the limits, a part of a longer number, too far apart, or beside other words."""
    assert categories_of(f"{number} zqorv")[1] is None


def test_a_date_or_a_decimal_number_is_no_age() -> None:
    """`paper` takes the last part for one, and what it finds stays."""
    assert categories_of("2001-azqen 12 zqorv")[1] == "aged.age"
    assert categories_of("1.\u0661\u0662zqy zqorv")[1] is None
    assert categories_of("2010-\u0661\u0662zqy zqorv")[1] is None
