"""P1: no vocabulary ships; every lexicon of the tree is seeded nonsense."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from donkeywatch.ingest import lexicon_template
from donkeywatch.simulation.nonsense import COMPARISON, lexicon

ROOT = Path(__file__).resolve().parents[2]
RUNS = re.compile("zq|qz|qv|wq|xk|ъыъ|ыъы|ξψξ|ψξψ")
"""Runs of letters that no language writes."""
TOML_GROUPS = re.compile(r"\[topics\.[^\]\n]*groups\]((?:[^\[]|\[(?!\[?topics))*)")
MAPPED_GROUPS = re.compile(r"""["']?groups["']?\s*[:=]\s*\{(.*?)\}""", re.DOTALL)
LIST = re.compile(r"[=:]\s*[\[(](.*?)[\])]", re.DOTALL)
WORD = re.compile(r"""["']([^"'\n]+)["']""")
OPTION = re.compile(r"""["']?(?:match|language)["']?\s*[:=]\s*["']\w+["']""")
"""What an entry says besides its word."""
ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


def lexicon_words(text: str) -> Iterator[str]:
    """Give the words of all lexicons that a text holds, as TOML or as a mapping in code."""
    for groups in (*TOML_GROUPS.findall(text), *MAPPED_GROUPS.findall(text)):
        for words in LIST.findall(groups):
            for word in WORD.findall(OPTION.sub("", words)):
                yield ESCAPE.sub(lambda code: chr(int(code[1], 16)), word)


def is_harmless(word: str) -> bool:
    """Tell whether a word is nonsense, one of the five terms, made by code, or single letters."""
    plain = word.casefold()
    return (
        RUNS.search(plain) is not None
        or plain in COMPARISON
        or "{" in word
        or all(len(part) == 1 or not part.isalpha() for part in plain.split())
    )


def text_files(root: Path) -> Iterator[Path]:
    """Give the files of a tree, those that git knows where it is a checkout."""
    if (root / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True
        )
        yield from (root / name.decode() for name in listed.stdout.split(b"\0") if name)
    else:
        yield from root.rglob("*")


def ordinary_words(root: Path) -> dict[str, set[str]]:
    """Give, by file, the words of its lexicons that are no nonsense."""
    words = {
        str(path.relative_to(root)): {
            word for word in lexicon_words(path.read_text("utf-8", "replace"))
            if not is_harmless(word)
        }
        for path in text_files(root)
        if path.is_file()
    }  # fmt: skip
    return {name: ordinary for name, ordinary in words.items() if ordinary}


def test_every_lexicon_of_the_tree_is_nonsense() -> None:
    """Sources, tests, benchmarks, documents and settings."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    this = str(Path(__file__).resolve().relative_to(ROOT))
    assert ordinary_words(ROOT).keys() <= {this}


@pytest.mark.parametrize(
    "text",
    [
        '[topics.one.groups]\nfirst = ["zqimba", "garden"]\n',
        '[topics.one.groups]  # a list\n# of words\nfirst = [\n  "zqimba",\n  "garden",\n]\n',
        'TOPIC = {"groups": {"first": ["zqimba", "garden"]}}\n',
        'Lexicon(groups={"first": ("garden",)})\n',
    ],
)
def test_an_ordinary_word_in_a_lexicon_is_found(tmp_path: Path, text: str) -> None:
    """However the lexicon is written down."""
    (tmp_path / "lexicon").write_text(text)
    assert ordinary_words(tmp_path) == {"lexicon": {"garden"}}


def test_the_list_to_begin_with_is_nonsense() -> None:
    """What `lexicon init` and `init` write."""
    topics = tomllib.loads(lexicon_template.TEXT)["topics"]
    words = [
        word for topic in topics.values() for group in topic["groups"].values() for word in group
    ]
    words += topics["pedophile"]["ages"]["suffixes"]
    assert len(words) > 5
    assert [word for word in words if not is_harmless(word)] == []


@pytest.mark.parametrize("seed", range(5))
def test_generated_lists_are_nonsense(seed: int) -> None:
    """Whatever the seed: a run of letters in each word, and in each suffix of an age."""
    made = lexicon(seed)
    words = [*made.suffixes, *(word for group in made.groups.values() for word in group)]
    assert [word for word in words if not RUNS.search(word.casefold())] == []


def test_the_real_terms_are_the_five_of_the_study() -> None:
    """The comparison topic, whose words were published."""
    assert COMPARISON == ("sex", "porno", "anal", "xxx", "porn")
    assert tomllib.loads(lexicon(1).toml())["topics"]["pornographic"]["groups"] == {
        "terms": list(COMPARISON)
    }
