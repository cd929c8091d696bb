"""The words a client searched for, whatever the syntax of its query."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from donkeywatch.ingest.normalisation import decode, fold_spaced
from donkeywatch.settings.schema import Syntax

DEPTH = 64
"""How deep a search tree may be nested; real clients stay below 10."""
FILE_LINK = re.compile(r"""[\s"'\ufeff]*(?:related|ed2k)::""", re.IGNORECASE | re.ASCII)
"""A search for relatives of a file or for a hash has no words."""

OPERATORS = {"AND", "OR", "NOT"}
BRACKETS = {"(", "-("}
BOOLEAN_TOKEN = re.compile(r'-?"[^"]*"?|-\(|[()]|[^\s()"]+')


def searched_words(text: str) -> str:
    """Words of a query with AND, OR, NOT, ``-word``, quotes and brackets.

    What NOT or a leading minus governs (a word, a phrase, a bracket) was not searched for.
    """
    parts: list[str] = BOOLEAN_TOKEN.findall(text)
    words: list[str] = []
    i = 0
    while i < len(parts):
        part = parts[i]
        if part in ("NOT", "-("):
            i = _skip_operand(parts, i + (part == "NOT"))
            continue
        excluded = part.startswith("-") and len(part) > 1
        if not excluded and part not in OPERATORS and part not in "()":
            words.append(part)
        i += 1
    return " ".join(words)


def _skip_operand(parts: Sequence[str], i: int) -> int:
    """Index behind the word, phrase or bracket that starts at ``i``."""
    if i >= len(parts) or parts[i] not in BRACKETS:
        return i + 1
    depth = 0
    while i < len(parts):
        depth += (parts[i] in BRACKETS) - (parts[i] == ")")
        i += 1
        if depth == 0:
            break
    return i


class MalformedTreeError(ValueError):
    """A search tree that is not well formed; carries nothing of it."""


TEXT = re.compile(rb'TEXT\("((?:[^"\\]|\\.)*)"\)')
STRING = re.compile(rb'STRING\(tag=0x[0-9a-fA-F]+,val="(?:[^"\\]|\\.)*"\)')
NUMBER = re.compile(rb"U(?:32|64)\(tag=0x[0-9a-fA-F]+,val=[0-9]+\)")
BRANCH = re.compile(rb"(ANDNOT|AND|OR)\(")
ESCAPE = re.compile(
    rb"""\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\'"]))"""
)
CONTROLS = dict(zip(b"abfnrtv\\'\"", b"\a\b\f\n\r\t\v\\'\"", strict=True))


def tree_terms(tree: bytes) -> list[bytes]:
    """The TEXT leaves of an eNode-go tree that were searched for, in order, unquoted.

    The right side of ANDNOT is an exclusion; STRING and numbers are filters. Malformed when
    the tree does not parse to its very end or is nested too deep.
    """
    texts, end = _parse_node(tree, 0, included=True, depth=0)
    if end != len(tree):
        raise MalformedTreeError
    return texts


def _parse_node(tree: bytes, at: int, *, included: bool, depth: int) -> tuple[list[bytes], int]:
    if depth > DEPTH:
        raise MalformedTreeError
    leaf = TEXT.match(tree, at)
    if leaf:
        return ([unquote_go(leaf[1])] if included else []), leaf.end()
    other = STRING.match(tree, at) or NUMBER.match(tree, at)
    if other:
        return [], other.end()
    branch = BRANCH.match(tree, at)
    if not branch:
        raise MalformedTreeError
    left, at = _parse_node(tree, branch.end(), included=included, depth=depth + 1)
    if tree[at : at + 1] != b",":
        raise MalformedTreeError
    inside = included and branch[1] != b"ANDNOT"
    right, at = _parse_node(tree, at + 1, included=inside, depth=depth + 1)
    if tree[at : at + 1] != b")":
        raise MalformedTreeError
    return left + right, at + 1


def unquote_go(text: bytes) -> bytes:
    """Undo Go's quoting (strconv.Quote): escapes become the bytes they stand for."""
    if b"\\" not in text:
        return text
    if b"\\" in ESCAPE.sub(b"", text):
        raise MalformedTreeError
    return ESCAPE.sub(_unescaped, text)


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes((int(escape[1], 16),))
    if escape[4]:
        return bytes((CONTROLS[escape[4][0]],))
    number = int(escape[2] or escape[3], 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise MalformedTreeError
    return chr(number).encode()


@lru_cache(maxsize=1024)
def escape_is_separator(escape: bytes) -> bool:
    """Tell whether an escape stands for characters between words."""
    if not ESCAPE.fullmatch(escape):
        return False
    try:
        return fold_spaced(unquote_go(escape).decode()) == " "
    except ValueError:  # A part of a character, or no character at all.
        return False


def searched_text(query: bytes, syntax: Syntax, fallback: str) -> str:
    """The text that was searched for, excluded words, filters and links left out.

    ``fallback`` is the encoding of bytes that are not UTF-8. Malformed for a broken tree.
    """
    terms = tree_terms(query) if syntax == "enode-go" else [query]
    texts = [decode(leaf, fallback) for leaf in terms]
    texts = [text for text in texts if not FILE_LINK.match(text)]
    return " ".join(searched_words(text) if syntax == "boolean" else text for text in texts)
