"""The simulated log read back by a second, deliberately plain program."""

import gzip
import itertools
import json
import re
import tomllib
import unicodedata
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import maxminddb
import pytest

from donkeywatch.simulation.generator import Simulation, batch, batches, write_archive
from donkeywatch.simulation.log_formats import FORMATS, REGEX_PATTERN, REGEX_TIME_FORMAT
from donkeywatch.simulation.truth import COUNTRIES, Truth

MONDAY = datetime(2026, 9, 28, tzinfo=UTC)


def simulation(name: str = "tsv", **more: Any) -> Simulation:
    """Return a small simulation in which flagged searches abound."""
    basics: dict[str, Any] = {"hours": 5, "queries": 6000, "addresses": 700, "noise": 0.2}
    start = MONDAY - timedelta(hours=3)
    return Simulation(start=start, format=name, **{**basics, "growth": (0.1, 0.3), **more})


def tokens(text: str) -> list[str]:
    """Fold case and accents, split at all that is no letter or digit."""
    flat = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"[^\W_]+", "".join(c for c in flat if not unicodedata.combining(c)))


def matcher(lexicon: dict[str, Any]) -> Any:
    """Return a function from tokens to a topic's category, by trying every assignment."""
    topics = {}
    for name, topic in lexicon["topics"].items():
        groups = {g: {tokens(w)[0] for w in words} for g, words in topic["groups"].items()}
        topics[name] = (groups, topic.get("ages"), topic["categories"])

    def spots(words: list[str], part: str, groups: Any, ages: Any) -> list[set[int]]:
        result: list[set[int]] = []
        for group in part.split("|"):
            if group != "age":
                result += [{i} for i, word in enumerate(words) if word in groups[group]]
                continue
            for i, word in enumerate(words):
                number = re.fullmatch(r"(\d+)(\D*)", word)
                if number and ages["minimum"] <= int(number[1]) <= ages["maximum"]:
                    if number[2] in ages["suffixes"]:
                        result.append({i})
                    if not number[2] and words[i + 1 : i + 2] and words[i + 1] in ages["suffixes"]:
                        result.append({i, i + 1})
        return result

    def category(words: list[str], topic: str) -> str | None:
        groups, ages, categories = topics[topic]
        for rule in categories:
            options = [spots(words, part, groups, ages) for part in rule["all"]]
            for pick in itertools.product(*options):
                if len(set().union(*pick)) == sum(map(len, pick)):
                    return str(rule["id"])
        return None

    return category


def decoded(raw: bytes) -> str:
    """Decode as UTF-8, or else as the old clients' encoding."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252")


def unquoted(text: bytes) -> str:
    """Undo Go's quoting."""
    short = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b'"': b'"', b"\\": b"\\"}

    def undo(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if code[:1] == b"x":
            return bytes([int(code[1:], 16)])
        return chr(int(code[1:], 16)).encode() if code[:1] in b"uU" else short[code]

    pattern = rb'\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[ntr"\\])'
    if re.sub(pattern, b"", text).count(b"\\"):
        raise ValueError("bad escape")
    return decoded(re.sub(pattern, undo, text))


def tree(text: bytes) -> list[str]:
    """Return the searched texts of an eNode-go tree, and raise ValueError when it is broken."""
    quoted = rb'"((?:[^"\\]|\\.)*)"'
    leaf = re.match(rb"TEXT\(" + quoted + rb"\)", text)
    texts = [unquoted(leaf[1])] if leaf else []
    leaf = leaf or re.match(rb"STRING\(tag=0x[0-9a-f]+,val=" + quoted + rb"\)", text)
    leaf = leaf or re.match(rb"U(?:32|64)\(tag=0x[0-9a-f]+,val=[0-9]+\)", text)
    if leaf:
        return [*texts, text[leaf.end() :].decode("latin-1")]
    node = re.match(rb"(AND|OR|ANDNOT)\(", text)
    if not node:
        raise ValueError("no node")
    *left, rest = tree(text[node.end() :])
    if rest[:1] != ",":
        raise ValueError("no comma")
    *right, rest = tree(rest[1:].encode("latin-1"))
    if rest[:1] != ")":
        raise ValueError("not closed")
    return [*left, *([] if node[1] == b"ANDNOT" else right), rest[1:]]


def fields(line: bytes, name: str) -> tuple[str, str, str] | str:
    """Return stamp, address and searched words of a line, or what else it is."""
    if name == "tsv":
        parts = line.split(b"\t", 2)
        return (parts[0].decode(), parts[1].decode(), decoded(parts[2])) if parts[2:] else "other"
    if name == "regex":
        match = re.match(REGEX_PATTERN, decoded(line))
        return (match["ts"], match["ip"], match["query"]) if match else "other"
    if name == "jsonl":
        if not line:
            return "other"
        try:
            thing = json.loads(decoded(line))
        except ValueError:
            return "malformed"
        keys = ("ts", "ip", "query")
        return tuple(thing[k] for k in keys) if all(k in thing for k in keys) else "other"
    start = rb"(\S+)\tDEBUG\t\[module=tcp(?:-obfs)?\] tcp payload parsed remote=(\S+) "
    entry = re.fullmatch(start + rb"opcode=OP_SEARCHREQUEST expr=(.*)", line, re.DOTALL)
    if not entry:
        return "other"
    try:
        *texts, rest = tree(entry[3])
    except ValueError:
        return "malformed"
    return (entry[1].decode(), entry[2].decode(), " ".join(texts)) if not rest else "malformed"


def instant(text: str, name: str) -> int:
    """Return a stamp in ms since 1970."""
    if name == "regex":
        return round(datetime.strptime(text, REGEX_TIME_FORMAT).timestamp() * 1000)
    if re.fullmatch(r"\d+\.\d+", text):
        return round(float(text) * 1000)
    moment = datetime.fromisoformat(text)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def address(text: str) -> str:
    """Return an address without its port, and an embedded IPv4 address as such."""
    match = re.fullmatch(r"\[(.*)\]:\d+|([\d.]+):\d+|(.*)", text)
    plain = ip_address(next(part for part in match.groups() if part) if match else "")
    return str(getattr(plain, "ipv4_mapped", None) or plain)


def reread(folder: Path, name: str) -> tuple[Counter[str], list[Any]]:
    """Read a whole archive: the outcomes of its lines, and its queries."""
    category = matcher(tomllib.loads((folder / "lexicon.toml").read_text(encoding="utf-8")))
    outcomes: Counter[str] = Counter()
    queries = []
    countries = maxminddb.open_database(folder / "countries.mmdb")
    for path in sorted(folder.glob("search-*.log")):
        for line in path.read_bytes().split(b"\n")[:-1]:
            result = fields(line, name)
            if isinstance(result, str):
                outcomes[result] += 1
                continue
            try:
                time = instant(result[0], name)
            except ValueError:
                outcomes["bad_time"] += 1
                continue
            try:
                home = address(result[1])
            except ValueError:
                outcomes["bad_address"] += 1
                continue
            words = tokens(result[2])
            if not words or re.fullmatch(r"(related|ed2k)::[0-9A-F]{32}", result[2]):
                outcomes["keywordless"] += 1
                continue
            outcomes["query"] += 1
            record: Any = countries.get(home)
            country = record["country"]["iso_code"] if record else "ZZ"
            kinds = [category(words, t) for t in ("pedophile", "pornographic")]
            queries.append((time, home, country, *kinds))
    countries.close()
    return outcomes, queries


def counted(queries: list[Any]) -> dict[str, Any]:
    """Count queries a second way, with sets and sums over them."""
    by = defaultdict(list)
    for query in queries:
        by[query[1]].append(query)

    def topic(at: int) -> dict[str, Any]:
        flagged = {a: sum(q[at] is not None for q in rows) for a, rows in by.items()}
        falling = sorted(flagged.values(), reverse=True)
        names = (["explicit", "child_sex", "family_sex", "age_sex"], ["terms"])[at - 3]
        return {
            "queries": sum(flagged.values()),
            "addresses_1": len({a for a, k in flagged.items() if k > 0}),
            "addresses_2": len({a for a, k in flagged.items() if k > 1}),
            "addresses_3": len({a for a, k in flagged.items() if k > 2}),
            "sum_qk": sum(len(by[a]) * k for a, k in flagged.items()),
            "sum_kk": sum(k**2 for k in flagged.values()),
            "top_1": sum(falling[:1]),
            "top_10": sum(falling[:10]),
            "exclusive_queries": sum(q[at] is not None and q[7 - at] is None for q in queries),
            "categories": {n: sum(q[at] == n for q in queries) for n in names},
        }

    def place(code: str) -> dict[str, Any]:
        here = [q for q in queries if q[2] == code]
        hit = {3: [q for q in here if q[3]], 4: [q for q in here if q[4]]}
        both = (("pedophile", 3), ("pornographic", 4))
        topics = {n: {"queries": len(hit[i]), "addresses": len({q[1] for q in hit[i]})}
                  for n, i in both}  # fmt: skip
        return {"queries": len(here), "addresses": len({q[1] for q in here}), "topics": topics}

    return {
        "queries": len(queries),
        "addresses": len(by),
        "sum_qq": sum(len(rows) ** 2 for rows in by.values()),
        "topics": {"pedophile": topic(3), "pornographic": topic(4)},
        "countries": {code: place(code) for code in {q[2] for q in queries}},
    }


@pytest.mark.parametrize("name", FORMATS)
def test_truth_equals_a_second_reading(tmp_path: Path, name: str) -> None:
    """Every hour, week and outcome of the truth is what a plain program reads from the log."""
    write_archive(simulation(name), tmp_path, files=2)
    truth = Truth.load(tmp_path / "truth.json")
    outcomes, queries = reread(tmp_path, name)
    assert {k: v for k, v in truth["lines"].items() if v} == dict(outcomes)
    assert len(queries) > 5000
    for style, key in (("hours", "%Y-%m-%dT%H:00:00Z"), ("weeks", "%G-W%V")):
        parts = defaultdict(list)
        for query in queries:
            parts[datetime.fromtimestamp(query[0] / 1000, UTC).strftime(key)].append(query)
        assert truth[style] == {k: counted(rows) for k, rows in parts.items()}
    assert len(truth["weeks"]) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_every_outcome_of_a_format_occurs(name: str) -> None:
    """A log holds each kind of line that its format can hold, beside the queries."""
    lines: Counter[str] = Counter()
    for part in batches(simulation(name)):
        lines.update(part.lines)
        assert part.data.count(b"\n") == sum(part.lines.values())
    expected = {"query", "keywordless", "other", "bad_address", "bad_time"}
    assert set(lines) == expected | ({"malformed"} if name in ("jsonl", "enode-go") else set())


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_parameters_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    """Two archives of one simulation are equal in every byte of every file."""
    for folder in ("a", "b"):
        write_archive(simulation(name), tmp_path / folder, files=2, compress="gz")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [
        "countries.mmdb", "lexicon.toml", "search-01.log.gz", "search-02.log.gz", "truth.json",
    ]  # fmt: skip
    for item in names:
        assert (tmp_path / "a" / item).read_bytes() == (tmp_path / "b" / item).read_bytes()
    whole = b"".join(gzip.decompress((tmp_path / "a" / n).read_bytes()) for n in names[2:4])
    assert whole == b"".join(part.data for part in batches(simulation(name)))
    assert (tmp_path / "a" / "lexicon.toml").stat().st_mode & 0o777 == 0o600


def test_an_hour_is_drawn_alone() -> None:
    """Any hour comes out the same whether or not the hours before it were drawn."""
    single = batch(simulation(), 3)
    assert list(batches(simulation()))[3] == single
    assert single.start == MONDAY


def test_another_seed_is_another_log() -> None:
    """The seed changes what is written."""
    assert batch(simulation(seed=2), 0).data != batch(simulation(), 0).data


@pytest.mark.untraced
def test_the_day_has_the_shape_of_the_study() -> None:
    """In local time the busiest hour is 7 PM, the quietest 5 AM, at a ratio between 3 and 4.5."""
    sim = Simulation(start=MONDAY, hours=24 * 7, queries=400_000, addresses=5000, noise=0)
    hours: Counter[int] = Counter()
    zone = ZoneInfo("Europe/Paris")
    for part in batches(sim):
        hours[part.start.astimezone(zone).hour] += sum(q[2] == "FR" for q in part.queries)
    assert 3 < max(hours.values()) / min(hours.values()) < 4.5
    assert min(hours, key=hours.__getitem__) == 5
    assert max(hours, key=hours.__getitem__) in (18, 19, 20)


@pytest.mark.untraced
def test_queries_have_the_asked_mixture() -> None:
    """Flagged fraction, growth, comparison terms, scripts, IPv6 and bursts are as documented."""
    sim = Simulation(
        start=MONDAY, hours=48, queries=200_000, addresses=20_000, growth=(0.01, 0.05), noise=0
    )
    parts = list(batches(sim))
    queries = [query for part in parts for query in part.queries]
    total = len(queries)
    assert 190_000 < total < 210_000
    first, second = ([q for p in half for q in p.queries] for half in (parts[:24], parts[24:]))
    early, late = (sum(q[3] is not None for q in half) / len(half) for half in (first, second))
    assert 0.017 < early < 0.023
    assert 0.036 < late < 0.044
    assert 0.012 < sum(q[4] is not None for q in queries) / total < 0.018
    assert any(q[3] and q[4] for q in queries)
    assert 0.01 < sum(":" in q[1] for q in queries) / total < 0.05
    flagged = Counter(q[1] for q in queries if q[3])
    assert sum(n for _, n in flagged.most_common(len(flagged) // 10)) > flagged.total() * 0.3
    texts = [line.split(b"\t")[2] for part in parts for line in part.data.split(b"\n")[:-1]]
    assert 0.13 < sum(not text.isascii() for text in texts) / total < 0.30
    assert sum(decoded(t) != t.decode("utf-8", "replace") for t in texts) > 1000
    steps = [b[0] - a[0] for a, b in itertools.pairwise(queries)]
    assert -40 <= min(steps) < 0


def test_countries_can_be_looked_up(tmp_path: Path) -> None:
    """The country database knows every address but those that are meant to be nowhere."""
    write_archive(simulation(), tmp_path)
    observed = set()
    with maxminddb.open_database(tmp_path / "countries.mmdb") as countries:
        assert countries.metadata().build_epoch == int(simulation().start.timestamp())
        for query in (q for part in batches(simulation()) for q in part.queries):
            record: Any = countries.get(query[1])
            assert (record["country"]["iso_code"] if record else "ZZ") == query[2]
            observed.add((query[2], ":" in query[1]))
    assert {code for code, _ in observed} == set(COUNTRIES)
    assert ("FR", True) in observed


@pytest.mark.parametrize(
    "wrong", [{"format": "eserver"}, {"addresses": 3}, {"start": datetime(2026, 1, 1)}]
)
def test_nonsense_parameters_are_refused(wrong: dict[str, Any]) -> None:
    """What cannot be simulated is refused at once."""
    valid: dict[str, Any] = {"start": MONDAY, "hours": 1, "queries": 1, "addresses": 100}
    with pytest.raises(ValueError, match=r"format|addresses|zone"):
        Simulation(**{**valid, **wrong})


def test_an_unknown_compression_is_refused(tmp_path: Path) -> None:
    """Only gzip is offered."""
    with pytest.raises(ValueError, match="gz"):
        write_archive(simulation(), tmp_path, compress="zip")
