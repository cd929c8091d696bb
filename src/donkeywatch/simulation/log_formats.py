"""How each log format writes a search, and what else stands in such a log."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from donkeywatch.simulation.nonsense import NonsenseLexicon, Phrase, PhraseGenerator, filler_words

FORMATS = ("tsv", "jsonl", "enode-go", "regex")
REGEX_PATTERN = (
    r"^\[(?P<ts>[^\]]+)\] search from "
    r'\[?(?P<ip>[^\s\[\]"]+?)\]?:(?P<port>\d+) "(?P<query>.*)"$'
)
REGEX_TIME_FORMAT = "%Y-%m-%d %H:%M:%S.%f %z"

Longs: TypeAlias = npt.NDArray[np.int64]
Objects: TypeAlias = npt.NDArray[np.object_]
_MINUTE = 60_000
_SECONDS = np.array([f"{ms // 1000:02}.{ms % 1000:03}" for ms in range(_MINUTE)], dtype=object)
_TAIL = "\ue000"
_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
_JSON_SHAPES = (
    '{{"ts":"{}","ip":"{}","query":"{}"}}\n',
    '{{"ip": "{1}", "query": "{2}", "ts": "{0}"}}\n',
    '{{"level":"info","ts":"{}","ip":"{}","tags":["a",{{"query":1}}],"query":"{}"}}\n',
)
_KEYWORDLESS = ("related::{}", "ed2k::{}", "...", "- - -", "?!", "", '"', " ")
_TREES = (
    'STRING(tag=0x30001,val="Audio")', "U32(tag=0x2000101,val=734003200)",
    'AND(STRING(tag=0x40001,val="mkv"),U64(tag=0x2000102,val=5368709120))', 'TEXT("")',
)  # fmt: skip
_BROKEN = (
    'AND(TEXT("{}")', 'TEXT("{}', "", 'FOO("{}")', 'TEXT("{}"),TEXT("x")', 'TEXT("\\q{}")',
    'TEXT({})', 'U32(tag=0x2000101,val={})', 'AND(TEXT("{}"),)',
)  # fmt: skip
_NOISE = ("blank", "other", "keywordless", "ip", "ts", "bad")
_BAD_TIMES = ("2026-02-30T10:00:00.000Z", "2026-13-41T25:61:00.000Z")
_TRACE = "panic: runtime error\n\ngoroutine 7 [running]:\nmain.serve(0x1, 0x2)\n\t{}.go:81 +0x1d\n"


class Text(NamedTuple):
    """A rendered search, each character one byte: a word may be put between `head` and `tail`."""

    head: str
    tail: str
    size: int


def stamps(times: Longs, separator: str = "T") -> Objects:
    """Return times (ms since 1970, UTC) as `YYYY-MM-DDTHH:MM:SS.mmm`."""
    if not len(times):
        return np.empty(0, dtype=object)
    minutes = times // _MINUTE
    first = int(minutes.min())
    span = np.arange(first, int(minutes.max()) + 1)
    prefixes = np.datetime_as_string(span.astype("M8[m]"), unit="m").tolist()
    table = np.array([text.replace("T", separator) + ":" for text in prefixes], dtype=object)
    joined: Objects = table[minutes - first] + _SECONDS[times % _MINUTE]
    return joined


def go_quoted(raw: bytes) -> str:
    """Return bytes as Go's %q writes them, without the quotes; each character is one byte."""
    out: list[str] = []
    for char in raw.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if code in _ESCAPES:
            out.append("\\" + _ESCAPES[code])
        elif 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        elif code < 0x20 or code == 0x7F:
            out.append(f"\\x{code:02x}")
        elif char == " " or unicodedata.category(char)[0] in "LMNPS":
            out.append(char.encode().decode("latin-1"))
        else:
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return "".join(out)


def phrase_text(phrase: Phrase, name: str, rng: Random) -> Text:
    """Render the words of a search for the format `name`."""
    if name == "enode-go":
        head, tail = _tree(phrase, rng).split(_TAIL)
        return Text(head, tail, len(phrase.text().encode(phrase.codec)) + 3)
    text, tail = phrase.text(), ""
    if rng.random() < 0.04:
        text, tail = f'"{text}', '"'
    if name == "jsonl":
        plain = phrase.codec == "utf-8" and rng.random() < 0.2
        text, tail = (json.dumps(part, ensure_ascii=plain)[1:-1] for part in (text, tail))
    else:
        text = text.translate({9: " ", 10: " ", 13: " "})
    return Text(text.encode(phrase.codec).decode("latin-1"), tail, len(text))


def _tree(phrase: Phrase, rng: Random) -> str:
    def leaf(text: str, quoted: bool = False) -> str:
        mark = '\\"' if quoted else ""
        return f'TEXT("{mark}{go_quoted(text.encode(phrase.codec))}{mark}")'

    words = (phrase.lead + phrase.words[0], *phrase.words[1:])
    operator = "OR" if rng.random() < 0.1 and not any(w[0].isdigit() for w in words) else "AND"
    shape = rng.choices(("one", "quoted", "left", "right"), (60, 4, 18, 18))[0]
    leaves = [leaf(word) for word in words]
    if shape in ("one", "quoted"):
        leaves = [leaf(phrase.text(), shape == "quoted")]
    last = leaves[-1]
    cut = len(last) - (4 if shape == "quoted" else 2)
    leaves[-1] = last[:cut] + _TAIL + last[cut:]
    tree = leaves[0] if shape != "right" else leaves[-1]
    for other in leaves[1:] if shape != "right" else leaves[-2::-1]:
        pair = (tree, other) if shape != "right" else (other, tree)
        tree = f"{operator}({pair[0]},{pair[1]})"
    for word in phrase.excluded:
        tree = f'ANDNOT({tree},TEXT("{go_quoted(word.encode())}"))'
    for word in phrase.filters:
        tree = f'AND({tree},STRING(tag=0x40001,val="{go_quoted(word.encode())}"))'
    return f"AND({tree},{rng.choice(_TREES[:3])})" if rng.random() < 0.12 else tree


class PhraseStock:
    """A stock of rendered searches: ordinary, flagged, of the comparison, and of both."""

    def __init__(self, seed: int, words: NonsenseLexicon, name: str, size: int) -> None:
        draw, rng = PhraseGenerator(seed, words), Random(f"texts {seed} {name}")
        few = max(200, size // 10)
        kinds = [
            [draw.near_miss() if n % 25 == 0 else draw.ordinary() for n in range(size)],
            [draw.flagged() for _ in range(few)],
            [draw.comparison() for _ in range(few)],
            [draw.flagged(comparison=True) for _ in range(few // 4)],
        ]
        phrases: list[Phrase] = [phrase for kind in kinds for phrase in kind]
        texts = [phrase_text(phrase, name, rng) for phrase in phrases]
        self.sizes = np.array([len(kind) for kind in kinds])
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.heads: Objects = np.array([text.head for text in texts], dtype=object)
        self.tails: Objects = np.array([text.tail for text in texts], dtype=object)
        self.lengths: Longs = np.array([text.size for text in texts])
        self.pedophile: Objects = np.array([p.pedophile for p in phrases], dtype=object)
        self.pornographic: Objects = np.array([p.pornographic for p in phrases], dtype=object)
        plain = filler_words(seed)[0]
        self.more: Objects = np.array([""] * len(plain) + [" " + w for w in plain], dtype=object)
        self.nouns = [*plain, *(w for w in words.groups["explicit"] if w.isascii())]


def searches(
    name: str, times: Longs, addresses: Sequence[str], texts: Sequence[str], styles: Longs,
    sizes: Sequence[int] = (),
) -> list[str]:  # fmt: skip
    """Render whole searches: times in ms since 1970 (UTC), styles any number from 0 to 999.

    Each string ends with a newline and each of its characters is one byte. For `enode-go` it
    holds the three lines that this server writes for a search.
    """
    if name == "enode-go":
        shifted = styles % 10 == 3
        zones = np.where(shifted, "+0100", "Z").tolist()
        when = stamps(times + shifted * 60 * _MINUTE).tolist()
        modules = np.where(styles % 7 == 2, "tcp-obfs", "tcp").tolist()
        rows = zip(when, zones, modules, addresses, texts, sizes, styles.tolist(), strict=True)
        return [_enode(f"{t}{z}", m, a, q, n, s % 200) for t, z, m, a, q, n, s in rows]
    if name == "regex":
        when = stamps(times, " ").tolist()
        shown = [f"[{a}]" if ":" in a else a for a in addresses]
        rows3 = zip(when, shown, texts, strict=True)
        return [f'[{t} +0000] search from {a}:4662 "{q}"\n' for t, a, q in rows3]
    when = (stamps(times) + "Z").tolist()
    shown = list(addresses)
    for at in np.flatnonzero(styles < 40).tolist():
        shown[at] = _spelled(shown[at], int(styles[at]))
    if name == "jsonl":
        kinds = np.searchsorted((850, 950), styles, "right").tolist()
        rows4 = zip(kinds, when, shown, texts, strict=True)
        return [_JSON_SHAPES[k].format(t, a, q) for k, t, a, q in rows4]
    for at in np.flatnonzero(styles >= 960).tolist():
        when[at] = f"{times[at] // 1000}.{times[at] % 1000:03}"
    return [f"{t}\t{a}\t{q}\n" for t, a, q in zip(when, shown, texts, strict=True)]


def _spelled(address: str, style: int) -> str:
    if ":" in address:
        return f"[{address}]:4662" if style < 30 else address.upper()
    return f"{address}:{4600 + style}" if style < 30 else f"::ffff:{address}"


def _enode(stamp: str, module: str, address: str, tree: str, size: int, results: int) -> str:
    start = f"{stamp}\tDEBUG\t[module={module}] "
    parsed = f"{start}tcp payload parsed remote={address} opcode=OP_SEARCHREQUEST "
    return (
        f"{start}proto=tcp, dir=recv, remote={address}, protocol=PR_ED2K(0xe3), "
        f"opcode=OP_SEARCHREQUEST(0x16), size={size + 1}, payloadLen={size}\n"
        f"{parsed}expr={tree}\n{parsed}resultCount={results}\n"
    )


def noise(
    name: str, time: int, address: str, word: str, rng: Random
) -> tuple[str, Mapping[str, int]]:
    """Render lines that are no countable query, and say how many of each outcome they are.

    `time` is in ms since 1970 (UTC); `word` stands where a nickname or query would be.
    """
    kind = rng.choices(_NOISE, (10, 40, 25, 10, 5, 10))[0]
    if kind == "blank":
        return "\n", {"other": 1}
    if kind == "bad" and name in ("jsonl", "enode-go"):
        return _malformed(name, time, address, word, rng)
    if kind in ("other", "bad"):
        text = _banner(name, time, address, word, rng)
        return text, {"other": text.count("\n")}
    if kind == "ip":
        address = rng.choice(("16777", "4242", "999.1.2.3"))
    query = rng.choice(_KEYWORDLESS) if kind == "keywordless" else word
    query = query.format(f"{rng.getrandbits(128):032X}")
    query = query.replace('"', '\\"') if name in ("jsonl", "enode-go") else query
    if name == "enode-go":
        query = f'TEXT("{query}")'
        if kind == "keywordless" and rng.random() < 0.5:
            query = rng.choice(_TREES)
    text = searches(name, np.array([time]), [address], [query], np.array([500]), [40])[0]
    if kind == "ts":
        text = _untimed(name, time, text, rng)
    outcome = {"keywordless": "keywordless", "ip": "bad_address", "ts": "bad_time"}[kind]
    return text, {outcome: 1, **({"other": 2} if name == "enode-go" else {})}


def _untimed(name: str, time: int, text: str, rng: Random) -> str:
    stamp = str(stamps(np.array([time]), " " if name == "regex" else "T")[0])
    if name == "enode-go":
        return text.replace(stamp + "Z", rng.choice(_BAD_TIMES))
    bad = rng.choice((*_BAD_TIMES, "yesterday", "10:44:36"))
    return text.replace(stamp + (" +0000" if name == "regex" else "Z"), bad)


def _malformed(
    name: str, time: int, address: str, word: str, rng: Random
) -> tuple[str, Mapping[str, int]]:
    when = str(stamps(np.array([time]))[0]) + "Z"
    if name == "jsonl":
        whole = f'{{"ts":"{when}","ip":"{address}","query":"{word}"}}'
        return rng.choice((whole[:-2], f"search {word}", whole + "}")) + "\n", {"malformed": 1}
    tree = rng.choice(_BROKEN).format(word)
    return _enode(when, "tcp", address, tree, 40, 0), {"malformed": 1, "other": 2}


def _banner(name: str, time: int, address: str, word: str, rng: Random) -> str:
    when = str(stamps(np.array([time]))[0]) + "Z"
    if name == "tsv":
        return rng.choice((f"# {word}\n", f"{when}\t{address}\n", f"server {word} started\n"))
    if name == "jsonl":
        part = rng.choice((f'"login":"{word}"', f'"ip":"{address}"', f'"text":"{word}"'))
        return rng.choice((f'{{"ts":"{when}",{part}}}\n', "{}\n"))
    if name == "regex":
        login = f'[{when}] login from {address}:4662 "{word}"\n'
        return rng.choice((login, f"*** {word} ***\n", _TRACE.format(word)))
    start = f"{when}\tDEBUG\t"
    parsed = f"{start}[module=tcp] tcp payload parsed remote={address} "
    nick = rng.choice((word, f'opcode=OP_SEARCHREQUEST expr=TEXT("{word}")'))
    return rng.choice((
        f"{when}\tINFO\twelcome: enode starting (config=enode.config.yaml)\n",
        f"{start}tcp accept remote={address}:45819 local=10.0.0.1:5555\n",
        f"{parsed}opcode=OP_LOGINREQUEST hash={rng.getrandbits(128):032x} id=0 port=4662 "
        f"tags=[name={nick}, version=60]\n",
        f'{parsed}dir=send opcode=OP_SERVERMESSAGE message="{word}"\n',
        f"{when}\tINFO\tlogin accepted remote={address} assignedID=816388 lowID=true port=4999\n",
        _TRACE.format(word),
    ))  # fmt: skip
