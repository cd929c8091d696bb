"""Unique words and addresses go in; they are found nowhere afterwards (HANDLING P2)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

WORDS = ("zqcanaryalpha", "zqcanarybeta", "qvcanarygamma", "xkcanarydelta")
ADDRESSES = ("203.0.113.77", "198.51.100.201", "2001:db8::ca:fe", "192.0.2.99")
LEXICON = f"""
[topics.pedophile.groups]
child = ["{WORDS[0]}"]
sex = ["{WORDS[1]}"]
[[topics.pedophile.categories]]
id = "child_sex"
all = ["child", "sex"]
"""


def lines() -> bytes:
    """Normal use and everything that can go wrong in a line, all with canaries."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
    a, b, c, d = (word.encode() for word in WORDS)
    v4, other, v6, last = (address.encode() for address in ADDRESSES)
    return b"\n".join(
        [
            now + b"\t" + v4 + b"\t" + a + b" " + b,
            now + b"\t" + other + b":4662\t" + c + b" Z\xc3\xa9" + d,
            now + b"\t[" + v6 + b"]:1\t" + a + b"," + b,
            now + b"\t::ffff:" + last + b"\t" + d,
            b"not a stamp\t" + v4 + b"\t" + a,
            now + b"\t16777\t" + b,
            now + b"\tnot an address " + v4 + b"\t" + c,
            b"2099-01-01T00:00:00Z\t" + other + b"\t" + a,
            b"2001-01-01T00:00:00Z\t" + v6 + b"\t" + b,
            a + b" " + v4 + b" no tabs at all",
            now + b"\t" + v4 + b"\t" + c * 20_000,
            now + b"\t" + v6 + b"\t\xff\xfe\x00" + d + b"\x1b[31m",
            b"",
        ]
    )


def traces(word: str) -> Iterator[tuple[str, bytes]]:
    """The forms a canary might survive in."""
    raw = word.encode()
    yield from (("raw", raw), ("upper", raw.upper()), ("utf-16", word.encode("utf-16-le")))
    yield "hex", raw.hex().encode()
    for cut in range(3):
        whole = base64.b64encode(b"\0" * cut + raw)
        yield "base64", whole[4 if cut else 0 : -4]
    for algorithm in ("md5", "sha1", "sha256"):
        digest = hashlib.new(algorithm, raw, usedforsecurity=False)
        yield algorithm, digest.digest()
        yield f"{algorithm} hex", digest.hexdigest().encode()


def packed() -> Iterator[tuple[str, bytes]]:
    """Addresses as numbers."""
    import ipaddress

    for address in ADDRESSES:
        bits = ipaddress.ip_address(address).packed
        yield f"{address} packed", bits if len(bits) == 16 else b"\xff\xff" + bits
        if len(bits) == 16:
            yield f"{address} packed", bits[:8] + bits[8:]


@contextmanager
def daemon(settings: Path, said: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running daemon and its URL; everything it says goes to a file."""
    with said.open("ab") as sink:
        start = said.stat().st_size
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-m", "donkeywatch", "run", "-c", str(settings)],
            stdout=sink,
            stderr=sink,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )
        try:
            until = time.monotonic() + 30
            while True:
                found = re.search(rb"listening on (\S+)", said.read_bytes()[start:])
                if found:
                    break
                assert process.poll() is None, said.read_bytes().decode()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield process, found[1].decode()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=20)


def answers(url: str) -> bytes:
    """Everything the daemon tells over HTTP."""
    parts = []
    paths = ("/", "/metrics", "/api/v1/fractions", "/api/v1/hours", "/api/v1/weeks",
             "/api/v1/weeks?format=csv", "/api/v1/profile", "/readyz", "/openapi.json")  # fmt: skip
    for path in paths:
        with urllib.request.urlopen(url + path, timeout=10) as answer:
            parts.append(answer.read())
    return b"\n".join(parts)


def wait_for_lines(url: str, count: int) -> None:
    """Until so many lines are counted."""
    until = time.monotonic() + 30
    while True:
        text = urllib.request.urlopen(url + "/metrics", timeout=10).read().decode()
        counted = sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith("donkeywatch_lines_total{")
        )
        if counted >= count:
            return
        assert time.monotonic() < until, counted
        time.sleep(0.1)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with settings, lexicon and log; the last two are the operator's own."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "lexicon.toml").write_text(LEXICON)
    (own / "lexicon.toml").chmod(0o600)
    (tmp_path / "donkeywatch.toml").write_text(
        'lexicon = "own/lexicon.toml"\nstate = "state"\n[checkpoint]\ninterval = 0.1\n'
        "[follow]\nscan = 0.1\n[http]\nport = 0\n"
        '[[source]]\npath = "own/search.log"\nformat = "tsv"\n'
    )
    return tmp_path


def test_canaries_are_found_nowhere(place: Path) -> None:
    """Through normal use, rejects, SIGHUP with a bad lexicon, kill -9 and a restart."""
    log, said = place / "own" / "search.log", place / "said"
    said.touch()
    told = b""
    log.write_bytes(lines())
    with daemon(place / "donkeywatch.toml", said) as (process, url):
        wait_for_lines(url, 12)
        (place / "own" / "lexicon.toml").write_text(LEXICON + f'"{WORDS[2]}" = {WORDS[3]}\n')
        process.send_signal(signal.SIGHUP)
        with log.open("ab") as file:
            file.write(lines())
        wait_for_lines(url, 24)
        told += answers(url)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.kill()
    assert re.search(r"Max core file size +0 ", limits)
    (place / "own" / "lexicon.toml").write_text(LEXICON)
    with daemon(place / "donkeywatch.toml", said) as (process, url):
        wait_for_lines(url, 24)
        told += answers(url)
        process.terminate()
        assert process.wait(timeout=20) == 0
    assert b"pedophile" in told
    assert b"Traceback" not in said.read_bytes()
    kept = [p for p in place.rglob("*") if p.is_file() and p.parent.name != "own"]
    assert any(path.name == "donkeywatch.db" for path in kept)
    haystacks = {str(path): path.read_bytes() for path in kept}
    haystacks |= {"HTTP": told, "arguments": arguments}
    needles = [trace for word in (*WORDS, *ADDRESSES) for trace in traces(word)]
    for name, haystack in haystacks.items():
        lowered = haystack.lower()
        for form, needle in [*needles, *packed()]:
            assert needle not in haystack, f"{form} in {name}"
            if form == "raw":
                assert needle not in lowered, f"{form} in {name}"


def test_the_search_itself_works() -> None:
    """The canaries would be found if they were there."""
    text = json.dumps({"query": WORDS[0]}).encode()
    assert any(needle in text for _, needle in traces(WORDS[0]))
    hidden = base64.b64encode(b"xx" + WORDS[1].encode() + b"yyy")
    assert any(needle in hidden for name, needle in traces(WORDS[1]) if name == "base64")
