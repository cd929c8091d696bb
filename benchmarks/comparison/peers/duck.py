"""DuckDB: one query over the file, addresses counted by grouping twice.

There is no compatibility folding: full-width letters are translated one by one. The branches of
`case` are evaluated only for the rows that need them, so the rules run over what a sieve of all
words leaves.
"""

from __future__ import annotations

from comparison.peers.task import Rows, Task, array, main, quoted, tool
from comparison.peers.words import AGES, Words

SPLIT = r"string_split_regex(f, '[^\p{L}\p{N}]+')"
EDGE = r"[^\p{L}\p{N}]"
PLAIN = "abcdefghijklmnopqrstuvwxyz0123456789"
FULL = "".join(chr(ord(letter) + 0xFEE0) for letter in PLAIN)
FOLD = (
    "case when strlen(q) = length(q) then lower(q)"
    f" else translate(lower(strip_accents(q)), '{FULL}', '{PLAIN}') end"
)


def query(task: Task) -> str:
    """The whole query of a form."""
    words = task.words
    sieve = {
        "regexp_matches": f"regexp_matches(f, {quoted('|'.join(words.all))})",
        "list_has_any": f"list_has_any({SPLIT}, {array(words.all)})",
        "regexp only": f"regexp_matches(f, {quoted('|'.join(words.all))})",
        "count(distinct)": f"regexp_matches(f, {quoted('|'.join(words.all))})",
    }[task.form]
    flagged, terms = _by_pattern(words) if task.form == "regexp only" else _by_tokens(words)
    lines = f"""
    with lines as (
      select ts[:13] as h, ip, {FOLD} as f, {sieve} as s
      from read_csv({quoted(str(task.log))}, delim = '\t', quote = '', escape = '', header = false,
        auto_detect = false, columns = {{'ts': 'VARCHAR', 'ip': 'VARCHAR', 'q': 'VARCHAR'}})
    ), marked as (
      select h, ip, case when s then {flagged} else false end as p,
        case when s then {terms} else false end as x
      from lines
    )"""
    if task.form == "count(distinct)":
        return f"""{lines}
    select h, count(*), count(distinct ip), count(*) filter (p), count(distinct ip) filter (p),
      count(*) filter (x), count(distinct ip) filter (x) from marked group by h order by h"""
    return f"""{lines}, addresses as (
      select h, ip, count(*) as n, count(*) filter (p) as p, count(*) filter (x) as x
      from marked group by h, ip
    )
    select h, sum(n), count(*), sum(p), count(*) filter (p > 0), sum(x), count(*) filter (x > 0)
    from addresses group by h order by h"""


def _by_tokens(words: Words) -> tuple[str, str]:
    def has(*groups: list[str]) -> str:
        return f"list_has_any({SPLIT}, {array(word for group in groups for word in group)})"

    child, sex, both = words.child, words.sex, words.both
    either = array(child + sex + both)
    age = f"(^| )({AGES}) ?({'|'.join(words.suffixes)})( |$)"
    flagged = f"""({has(words.explicit)}
      or ({has(child, both)} and {has(sex, both)}
        and len(list_filter({SPLIT}, lambda w: list_contains({either}, w))) > 1)
      or ({has(words.parent)} and {has(words.kin)} and {has(sex, both)})
      or ({has(child, sex, both)} and
        regexp_matches(array_to_string({SPLIT}, ' '), {quoted(age)})))"""
    return flagged, has(words.terms)


def _by_pattern(words: Words) -> tuple[str, str]:
    def has(*groups: list[str]) -> str:
        alternatives = "|".join(word for group in groups for word in group)
        return f"regexp_matches(f, {quoted(f'(?:^|{EDGE})(?:{alternatives})(?:$|{EDGE})')})"

    child, sex, both = words.child, words.sex, words.both
    first = "|".join(both)
    twice = f"(?:^|{EDGE})(?:{first}){EDGE}(?:.*{EDGE})?(?:{first})(?:$|{EDGE})"
    age = f"(?:^|{EDGE})(?:{AGES}){EDGE}*(?:{'|'.join(words.suffixes)})(?:$|{EDGE})"
    flagged = f"""({has(words.explicit)}
      or ({has(child)} and {has(sex, both)}) or ({has(both)} and {has(sex)})
      or regexp_matches(f, {quoted(twice)})
      or ({has(words.parent)} and {has(words.kin)} and {has(sex, both)})
      or ({has(child, sex, both)} and regexp_matches(f, {quoted(age)})))"""
    return flagged, has(words.terms)


def count(task: Task) -> Rows:
    """Ask it; the rows of the answer."""
    duck = tool("duckdb").connect(config={"threads": task.threads})
    duck.execute("set preserve_insertion_order = false")
    rows: Rows = duck.sql(query(task)).fetchall()
    return rows


FORMS = ("regexp_matches", "list_has_any", "regexp only", "count(distinct)")

if __name__ == "__main__":
    main(dict.fromkeys(FORMS, count))
