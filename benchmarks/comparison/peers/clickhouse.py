"""ClickHouse local, by chdb: one query over the file.

A sieve of all words runs over the folded text of every line; the rules only over what it leaves,
since `if` is evaluated lazily. All forms are exact; they differ in the sieve.
"""

from __future__ import annotations

import json
from functools import partial

from comparison.peers.task import Rows, Task, array, main, quoted, tool
from comparison.peers.words import AGES, Words

FOLD = "if(isASCII(q), lower(q), removeDiacriticsUTF8(normalizeUTF8NFKCCasefold(q)))"
SIEVES = {
    "match": lambda w: f"match(f, {quoted('|'.join(w.all))})",
    "multiMatchAny": lambda w: f"multiMatchAny(f, {array(w.all)})",
    "multiMatchAny, one pattern": lambda w: f"multiMatchAny(f, {array(['|'.join(w.all)])})",
    "hasAnyTokens": lambda w: f"hasAnyTokens(f, {array(w.all)})",
}


def query(task: Task) -> str:
    """The whole query of a form."""
    words = task.words
    return f"""
    select h, count(), uniqExact(ip), countIf(p), uniqExactIf(ip, p), countIf(x), uniqExactIf(ip, x)
    from (
      select substring(ts, 1, 13) as h, ip, {FOLD} as f, {SIEVES[task.form](words)} as s,
        if(s, splitByRegexp('[^\\\\pL\\\\pN]+', f), []) as t,
        if(s, {_codes(words)}, []) as c,
        if(s, {_flagged(words)}, 0) as p,
        if(s, has(c, 7), 0) as x
      from file({quoted(str(task.log))}, TSVRaw, 'ts String, ip IPv4, q String')
    )
    group by h order by h
    settings max_threads = {task.threads}, max_query_size = 10000000
    """


def _codes(words: Words) -> str:
    """The group of each token by number, from 1; 0 for none."""
    groups = words[:7]
    known = array(word for group in groups for word in group)
    numbers = [number for number, group in enumerate(groups, 1) for _ in group]
    return f"arrayMap(w -> transform(w, {known}, {numbers}, 0), t)"


def _flagged(words: Words) -> str:
    age = f"(^| )({AGES}) ?({'|'.join(words.suffixes)})( |$)"
    return f"""(has(c, 1)
      or (hasAny(c, [2, 4]) and hasAny(c, [3, 4]) and arrayCount(k -> k between 2 and 4, c) > 1)
      or (has(c, 5) and has(c, 6) and hasAny(c, [3, 4]))
      or (hasAny(c, [2, 3, 4]) and match(arrayStringConcat(t, ' '), {quoted(age)})))"""


def count(task: Task) -> Rows:
    """Ask it; the rows of the answer."""
    answer = tool("chdb").query(query(task), "JSONCompact")
    rows: Rows = json.loads(str(answer))["data"]
    return rows


if __name__ == "__main__":
    main({form: partial(count) for form in SIEVES})
