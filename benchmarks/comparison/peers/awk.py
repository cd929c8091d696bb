"""The program for awk: a line of Unix tools, bytes only."""

from __future__ import annotations

from comparison.peers.words import AGES, Words, fold

NAMES = ("explicit", "child", "sex", "both", "parent", "kin", "terms")
RULES = r"""
function known(query,   n, t, i, k) {
  n = split(query, t, /[^a-z0-9\200-\377]+/)
  split("", met); joined = ""; either = 0
  for (i = 1; i <= n; i++) {
    joined = joined " " t[i]
    if (t[i] in group) { k = group[t[i]]; met[k] = 1; either += (k >= 2 && k <= 4) }
  }
}
function flagged() {
  if (1 in met) return 1
  if (either > 1 && ((2 in met) || (4 in met)) && ((3 in met) || (4 in met))) return 1
  if ((5 in met) && (6 in met) && ((3 in met) || (4 in met))) return 1
  return either && (joined " ") ~ AGE
}
{ hour = substr($1, 1, 13); queries[hour]++; if (!seen[hour, $2]++) addresses[hour]++ }
"""
MARK = r"""
  known(query)
  if (flagged()) { p[hour]++; if (!pseen[hour, $2]++) pa[hour]++ }
  if (7 in met) { x[hour]++; if (!xseen[hour, $2]++) xa[hour]++ }
}
END {
  for (h in queries)
    print h, queries[h], addresses[h], p[h] + 0, pa[h] + 0, x[h] + 0, xa[h] + 0
}
"""
FORMS = {
    "words": "{ query = tolower($3)",
    "sieve": "{ query = tolower($3) }\nquery ~ SIEVE {",
    "words, folded": "{ query = tolower($3); if (query ~ /[\\200-\\377]/) query = fold(query)",
}
BLOCKS = ((0xC0, 0x180), (0x386, 0x3CF), (0x400, 0x460), (0xFF10, 0xFF5B))
"""Letters to fold: Latin with accents, Greek, Cyrillic, full width."""


def program(words: Words, form: str) -> str:
    """The whole of it, run as `awk -f`."""
    lists = "".join(
        f'  n = split("{" ".join(group)}", list, " "); for (i = 1; i <= n; i++)'
        f" group[list[i]] = {number}\n"
        for number, group in enumerate(words[:7], 1)
    )
    age = f" ({AGES}) ?({'|'.join(words.suffixes)}) "
    return _folding() + (
        f'BEGIN {{\n  FS = OFS = "\\t"; AGE = "{age}"; SIEVE = "{"|".join(words.all)}"\n'
        f"{lists}}}{RULES}{FORMS[form]}{MARK}"
    )


def _folding() -> str:
    """A function that folds letters by substitutions, since awk knows bytes only."""
    letters: dict[str, list[str]] = {}
    for first, end in BLOCKS:
        for letter in map(chr, range(first, end)):
            if letter.isalnum() and fold(letter) != letter:
                letters.setdefault(fold(letter), []).append(letter)
    lines = "".join(f'  gsub(/{"|".join(each)}/, "{to}", q)\n' for to, each in letters.items())
    # Combining marks, U+0300 to U+036F.
    marks = r'  gsub(/\314[\200-\277]|\315[\200-\257]/, "", q)'
    return f"function fold(q) {{\n{marks}\n{lines}  return q\n}}\n"
