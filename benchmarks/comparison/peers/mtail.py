"""The program for mtail: counters by hour, one regular expression before the rules."""

from __future__ import annotations

from comparison.peers.words import AGES, Words

FORMS = ("sieve", "rules")
EDGE = r"[^\pL\pN]"
OPTIONS = ("-one_shot", "-max_regexp_length", "100000", "-max_recursion_depth", "10000")
DECLARED = (
    "counter queries by hour\ncounter pedophile by hour\ncounter pornographic by hour\n"
    r"/^(?P<hour>\d\d\d\d-\d\d-\d\dT\d\d)/ {"
    "\n  queries[$hour]++\n"
)


def program(words: Words, form: str) -> str:
    """The whole of it; patterns may be longer than mtail's defaults allow."""
    child, sex, both = words.child, words.sex, words.both
    first = "|".join(both)
    twice = f"/(?i){EDGE}(?:{first}){EDGE}(?:.*{EDGE})?(?:{first})(?:$|{EDGE})/"
    age = f"/(?i){EDGE}(?:{AGES}){EDGE}*(?:{'|'.join(words.suffixes)})(?:$|{EDGE})/"
    rules = (
        f"{_has(words.terms)} {{\n pornographic[$hour]++\n}}\n",
        _flagged(_has(words.explicit)),
        _flagged(_has(child), _has(sex, both)),
        _flagged(_has(both), _has(sex)),
        _flagged(twice),
        _flagged(_has(words.parent), _has(words.kin), _has(sex, both)),
        _flagged(age, _has(child, sex, both)),
    )
    if form == "rules":
        return f"{DECLARED}{''.join(rules)}}}\n"
    return f"{DECLARED}/(?i){'|'.join(words.all)}/ {{\n{''.join(rules)}}}\n}}\n"


def _flagged(*patterns: str) -> str:
    """Counted when all are met; `stop`, since a query counts once."""
    opened = "".join(f"{pattern} {{\n" for pattern in patterns)
    return f"{opened} pedophile[$hour]++\n stop\n{'}' * len(patterns)}\n"


def _has(*groups: list[str]) -> str:
    alternatives = "|".join(word for group in groups for word in group)
    return f"/(?i){EDGE}(?:{alternatives})(?:$|{EDGE})/"
