"""The words are nonsense, and what is planted in a search is what it says."""

import tomllib

import pytest

from donkeywatch.simulation.nonsense import (
    COMPARISON,
    PhraseGenerator,
    filler_words,
    lexicon,
    tokens,
)


def test_a_lexicon_is_the_same_for_the_same_seed() -> None:
    """A seed and a size name one lexicon."""
    assert lexicon(1).toml() == lexicon(1).toml()
    assert lexicon(1).toml() != lexicon(2).toml()


@pytest.mark.parametrize("terms", [0, 300, 2000])
def test_a_lexicon_is_loadable_and_of_the_asked_size(terms: int) -> None:
    """The TOML holds both topics, their rules in order, and about as many terms as asked for."""
    loaded = tomllib.loads(lexicon(5, terms).toml())
    topic = loaded["topics"]["pedophile"]
    rules = [rule["id"] for rule in topic["categories"]]
    assert rules == ["explicit", "child_sex", "family_sex", "age_sex"]
    assert topic["categories"][3]["all"] == ["age", "sex|child"]
    assert (topic["ages"]["minimum"], topic["ages"]["maximum"]) == (1, 17)
    assert len(topic["ages"]["suffixes"]) == 6
    words = {word for group in topic["groups"].values() for word in group}
    assert max(20, terms) == len(words)
    assert loaded["topics"]["pornographic"]["groups"]["terms"] == list(COMPARISON)


def test_no_word_of_the_lexicon_could_be_real() -> None:
    """Every word holds a run of letters that no language writes, and some need folding."""
    runs = ("zq", "qv", "xk", "ъыъ", "ыъы", "ξψξ", "ψξψ")
    made = lexicon(1)
    words = [word for group in made.groups.values() for word in group]
    assert all(any(run in word for run in runs) for word in (*words, *made.suffixes))
    assert all(len(tokens(word)) == 1 for word in words)
    assert any(tokens(word) != [word] for word in words)
    assert any("ъ" in word or "ы" in word for word in words)


def test_ordinary_words_never_meet_the_lexicon() -> None:
    """No ordinary word, folded, is a word of any lexicon, nor one of the five terms."""
    ordinary = {token for group in filler_words(1) for word in group for token in tokens(word)}
    assert not any(set(word) & set("zqxъыξψs") for word in ordinary)
    assert not ordinary & set(COMPARISON)


def test_some_words_are_in_two_groups() -> None:
    """A rule over different tokens is put to the test by words that satisfy two of its parts."""
    groups = lexicon(1).groups
    assert len(set(groups["child"]) & set(groups["sex"])) == 2


def test_near_misses_are_planted_without_a_category() -> None:
    """A near miss carries no category, yet most hold a word, suffix or number of the lexicon."""
    draw = PhraseGenerator(1, lexicon(1))
    misses = [draw.near_miss() for _ in range(300)]
    assert not any(phrase.pedophile or phrase.pornographic for phrase in misses)
    assert sum(bool(set("zqx") & set("".join(tokens(p.text())))) for p in misses) > 200
    assert any(phrase.excluded for phrase in misses)
    assert any(phrase.filters for phrase in misses)


def test_styles_keep_the_tokens() -> None:
    """Case, decomposed accents, wide letters and old encodings occur, and fold to plain words."""
    draw = PhraseGenerator(3, lexicon(3))
    phrases = [draw.flagged() for _ in range(2000)]
    texts = [phrase.text() for phrase in phrases]
    assert any(text.isupper() for text in texts)
    assert any("\u0301" in text for text in texts)
    assert any("\ufeff" in text for text in texts)
    assert any(phrase.codec == "cp1252" for phrase in phrases)
    assert {phrase.pedophile for phrase in phrases} == {
        "explicit", "child_sex", "family_sex", "age_sex",
    }  # fmt: skip
