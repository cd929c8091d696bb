"""What a searcher could learn of the word list by sending queries and watching what is shown.

Two pages are watched: the operator's, by somebody who reached it, and the released figures, which
anyone may see. `make oracle` runs it, on a stepped clock, with words that are made up. The server
is otherwise quiet, which is the worst case: on a busy one each probe has to be repeated.
"""

from __future__ import annotations

import argparse
import math
import string
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import combinations
from pathlib import Path
from random import Random

import httpx

from donkeywatch.counting.calendar import DAY, HOUR, SECOND, WEEK, iso_utc, week_start
from donkeywatch.publish.http.released_app import make_public_server
from donkeywatch.publish.snapshot import Snapshots
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.settings.schema import Settings

START = week_start("2026-W40")
CANDIDATES = 20_000
"""Words that a searcher thinks possible; one of them is in the list, or a pair."""
WORDS_PER_LINE = 5_000
"""Words of one search: more would pass the limit of a line."""
PROBE_MS = SECOND
"""Time between a search and the look at the figures after it."""
GUARDED_PROBES = 10_000
FLOOD = 9
"""Flagged addresses that a searcher adds to a week: one fewer than any figure tells of."""
PATHS = ("/", "/chart.svg", "/api/v1/weeks", "/api/v1/hours", "/api/v1/countries")
ONE_WORD = '[[topics.one.categories]]\nid = "rule"\nall = ["first"]\n'
PAIR = '[[topics.one.categories]]\nid = "rule"\nall = ["first", "second"]\n'


class Server:
    """A quiet server whose log is followed, and somebody who searches on it and looks."""

    def __init__(self, directory: Path, words: Sequence[str], rule: str) -> None:
        directory.mkdir()
        groups = f'first = ["{words[0]}"]\n' + (f'second = ["{words[1]}"]\n' if words[1:] else "")
        lexicon = directory / "lexicon.toml"
        lexicon.write_text(f'title = "made up"\n[topics.one.groups]\n{groups}{rule}')
        lexicon.chmod(0o600)
        self.log = directory / "search.log"
        self.log.touch()
        (directory / "donkeywatch.toml").write_text(
            'state = "state"\nlexicon = "lexicon.toml"\n'
            '[[source]]\npath = "search.log"\nformat = "tsv"\n[release]\nport = 0\n'
        )
        self.settings: Settings = loader.load(directory / "donkeywatch.toml", {})
        self.now = START
        self.engine = Engine(self.settings, self.now)
        self.searches = 0
        self.step(PROBE_MS)

    def step(self, ms: int) -> None:
        """Let time go on, and count what was logged."""
        self.now += ms
        while self.engine.tick(self.now):
            pass

    def search(self, text: str, address: str = "2001:db8::1") -> None:
        """Send a search."""
        self.searches += 1
        with self.log.open("a", encoding="ascii") as log:
            log.write(f"{iso_utc(self.now)}\t{address}\t{text}\n")

    def flagged(self) -> int:
        """Flagged queries as the operator's page and metrics have them at once."""
        self.step(PROBE_MS)
        self.engine.commit(self.now, self.now)
        with Snapshots(self.settings.state, ("one",)).open() as snapshot:
            counters = snapshot.counters().items()
            return sum(value for (name, *_), value in counters if name == "flagged")

    def is_flagged(self, words: Sequence[str], beside: str = "") -> bool:
        """Search for words, and tell whether the count has moved."""
        before = self.flagged()
        for first in range(0, len(words), WORDS_PER_LINE):
            self.search(" ".join((beside, *words[first : first + WORDS_PER_LINE])).strip())
        return self.flagged() > before


def halve(words: Sequence[str], is_flagged: Callable[[Sequence[str]], bool]) -> str:
    """Find the word that decides, by halves."""
    while len(words) > 1:
        half = words[: len(words) // 2]
        words = half if is_flagged(half) else words[len(half) :]
    return words[0]


def find_pair(words: Sequence[str], server: Server) -> set[str]:
    """Find two words that decide together: a search that has both, its shortest beginning that
    still has, which ends in one of them, and the other by halves.
    """
    size = WORDS_PER_LINE // 2
    blocks = [words[begin : begin + size] for begin in range(0, len(words), size)]
    for first, second in combinations(blocks, 2):
        both = [*first, *second]
        if server.is_flagged(both):
            break
    low, high = 1, len(both)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if server.is_flagged(both[:middle]) else (middle + 1, high)
    last = both[low - 1]
    return {last, halve(both[: low - 1], lambda part: server.is_flagged(part, last))}


def measure_live(directory: Path, words: Sequence[str], truth: Sequence[str], rule: str) -> str:
    """Find the rule by the live figures; what it took."""
    server = Server(directory, truth, rule)
    with closing(server.engine):
        began = server.now
        is_pair = len(truth) == 2
        result = find_pair(words, server) if is_pair else {halve(words, server.is_flagged)}
        assert result == set(truth), "the figures told something else"
        seconds = (server.now - began) / SECOND
    return f"{server.searches} searches, {seconds:.0f} s"


def public_answers(settings: Settings) -> tuple[bytes, ...]:
    """What anyone gets."""
    server = make_public_server(settings, 0)
    server.start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            return tuple(client.get(path).content for path in PATHS)
    finally:
        server.stop()


def measure_guarded(directory: Path, words: Sequence[str], truth: str, probes: int) -> str:
    """Send probes of a week and look in between and after its close; what could be told apart."""
    before_close: set[tuple[bytes, ...]] = set()
    after: set[tuple[bytes, ...]] = set()
    for name, flooding in (("with", truth), ("without", words[1])):
        server = Server(directory / name, (truth,), ONE_WORD)
        with closing(server.engine):
            for number in range(probes):
                address = f"2001:db8::{number % FLOOD:x}"
                server.search(flooding if number % 2 else words[number % len(words)], address)
                server.now += (6 * DAY) // probes
                if number % (probes // 20) == 0:
                    server.step(PROBE_MS)
                    before_close.add(public_answers(server.settings))
            server.step(PROBE_MS)
            before_close.add(public_answers(server.settings))
            while server.now < START + WEEK + 2 * DAY:
                server.step(2 * HOUR)
            after.add(public_answers(server.settings))
    return (
        f"{math.log2(len(before_close)):.0f} bits before the close,"
        f" {math.log2(len(after)):.0f} bits after it, of {probes:,} probes by {FLOOD} addresses"
    )


def main() -> None:
    """Measure, and print a line for each."""
    request = argparse.ArgumentParser(description=__doc__)
    request.add_argument("--probes", type=int, default=GUARDED_PROBES)
    request.add_argument("--seed", type=int, default=1)
    given = request.parse_args()
    random = Random(given.seed)
    letters = string.ascii_lowercase
    made = {"zq" + "".join(random.choices(letters, k=5)) for _ in range(CANDIDATES)}
    words = sorted(made)
    random.shuffle(words)
    first, second = random.sample(words, 2)
    with tempfile.TemporaryDirectory(prefix="donkeywatch-") as temporary:
        place = Path(temporary)
        print(f"{len(words):,} candidates, a quiet server")
        print(f"live, one word of them:  {measure_live(place / 'a', words, [first], ONE_WORD)}")
        pair = measure_live(place / "b", words, [first, second], PAIR)
        print(f"live, a pair of them:    {pair}")
        (place / "c").mkdir()
        print(f"guarded: {measure_guarded(place / 'c', words, first, given.probes)}")


if __name__ == "__main__":
    main()
