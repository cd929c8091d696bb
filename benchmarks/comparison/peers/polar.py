"""Polars: a lazy scan of the file by the streaming engine; rules over what a sieve leaves."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from comparison.peers.task import Rows, Task, main, tool
from comparison.peers.words import AGES, Words

TOKEN = r"[\p{L}\p{N}]+"


def count(task: Task) -> Rows:
    """Totals and hits of one scan, then the rules on the hits."""
    # Read when the library is imported, and not later.
    os.environ["POLARS_MAX_THREADS"] = str(task.threads)
    pl = tool("polars")
    lines = pl.scan_csv(
        task.log,
        separator="\t",
        quote_char=None,
        has_header=False,
        schema={"ts": pl.String, "ip": pl.String, "q": pl.String},
    ).with_columns(pl.col("ts").str.head(13).alias("h"))
    totals = lines.group_by("h").agg(pl.len(), pl.col("ip").n_unique().alias("addresses"))
    hits = FORMS[task.form](pl, lines, task.words).select("h", "ip", "f")
    done = pl.collect_all([totals, hits], engine="streaming")
    marked = _marked(pl, done[1], task.words)
    topics = [pl.col("p"), pl.col("x")]
    flagged = marked.group_by("h").agg(
        *(topic.sum().name.suffix("_queries") for topic in topics),
        *(pl.col("ip").filter(t).n_unique().alias(f"{t.meta.output_name()}_ips") for t in topics),
    )
    rows: Rows = (
        done[0].join(flagged, on="h", how="left").fill_null(0).sort("h")
        .select("h", "len", "addresses", "p_queries", "p_ips", "x_queries", "x_ips").rows()
    )  # fmt: skip
    return rows


def _folded(pl: Any) -> Any:
    flat = pl.col("q").str.normalize("NFKD").str.to_lowercase()
    return flat.str.replace_all(r"\p{M}", "").str.normalize("NFC").alias("f")


def _parted(pl: Any, lines: Any, ascii_hit: Any, wide_hit: Any) -> Any:
    """Only lines with other than ASCII letters are folded; expressions are never lazy."""
    wide = pl.col("q").str.len_bytes() != pl.col("q").str.len_chars()
    narrow = lines.filter(~wide & ascii_hit).with_columns(pl.col("q").str.to_lowercase().alias("f"))
    return pl.concat([narrow, lines.filter(wide).with_columns(_folded(pl)).filter(wide_hit)])


def contains_any(pl: Any, lines: Any, words: Words) -> Any:
    """The sieve is an automaton; ASCII lines are searched as they are."""
    ascii_hit = pl.col("q").str.contains_any(words.all, ascii_case_insensitive=True)
    return _parted(pl, lines, ascii_hit, pl.col("f").str.contains_any(words.all))


def contains(pl: Any, lines: Any, words: Words) -> Any:
    """The sieve is a regular expression."""
    pattern = "|".join(words.all)
    ascii_hit = pl.col("q").str.contains(f"(?i-u:{'|'.join(w for w in words.all if w.isascii())})")
    return _parted(pl, lines, ascii_hit, pl.col("f").str.contains(pattern))


def folded_first(pl: Any, lines: Any, words: Words) -> Any:
    """Every line is folded, then the automaton looks for the words."""
    return lines.with_columns(_folded(pl)).filter(pl.col("f").str.contains_any(words.all))


def token_lists(pl: Any, lines: Any, words: Words) -> Any:
    """Every line is folded and split, and its tokens compared with the words."""
    tokens = pl.col("f").str.extract_all(TOKEN)
    result = tokens.list.eval(pl.element().is_in(words.all)).list.any()
    return lines.with_columns(_folded(pl)).filter(result)


def _marked(pl: Any, hits: Any, words: Words) -> Any:
    def number(*groups: list[str]) -> Any:
        known = [word for group in groups for word in group]
        return pl.col("t").list.eval(pl.element().is_in(known)).list.sum()

    child, sex, both = words.child, words.sex, words.both
    age = f"(?:^| )(?:{AGES}) ?(?:{'|'.join(words.suffixes)})(?: |$)"
    any_of = number(child, sex, both)
    return hits.with_columns(pl.col("f").str.extract_all(TOKEN).alias("t")).with_columns(
        p=(number(words.explicit) > 0)
        | ((number(child, both) > 0) & (number(sex, both) > 0) & (any_of > 1))
        | ((number(words.parent) > 0) & (number(words.kin) > 0) & (number(sex, both) > 0))
        | ((any_of > 0) & pl.col("t").list.join(" ").str.contains(age)),
        x=number(words.terms) > 0,
    )


FORMS: dict[str, Callable[[Any, Any, Words], Any]] = {
    "contains_any": contains_any,
    "contains": contains,
    "folded first": folded_first,
    "token lists": token_lists,
}

if __name__ == "__main__":
    main(dict.fromkeys(FORMS, count))
