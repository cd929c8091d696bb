"""A log that an engine counts, on a clock that is moved by hand, and a word list for it."""

from __future__ import annotations

from pathlib import Path
from random import Random

from donkeywatch.counting.calendar import HOUR, SECOND, to_ms
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from support.log_writer import LogWriter
from support.simulated_server import START

MONDAY = to_ms(START)
LEXICON = """title = "nonsense"
[topics.first.groups]
child = ["zqorv", "qvlop"]
sex = ["xkarno"]
[[topics.first.categories]]
id = "both"
all = ["child", "sex"]
[[topics.first.categories]]
id = "only_sex"
all = ["sex"]
[topics.second.groups]
terms = ["porno"]
[[topics.second.categories]]
id = "terms"
all = ["terms"]
"""
QUERIES = ("kamo", "xkarno", "xk4rno", "zq-orv xkarno", "zqorvxkarno", "porno", "p0rno", "zqorv")


class SteppedLog:
    """A log that an engine counts, on a clock that is moved by hand."""

    def __init__(self, directory: Path, profiles: str, more: str = "") -> None:
        self.directory = directory
        self.settings = directory / "donkeywatch.toml"
        self.log = directory / "search.log"
        self.log.touch()
        self.write_list("lexicon.toml", LEXICON)
        self.state = directory / "state"
        self.use(profiles, more)
        self.now = MONDAY + HOUR // 2
        self.written: list[tuple[int, str, str]] = []
        """Time, address and query of every line."""

    def write_list(self, name: str, text: str) -> None:
        """Put a word list in its place."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)

    def use(self, profiles: str, more: str = "") -> None:
        """Write the settings, with these profiles and more about detection."""
        self.settings.write_text(
            'state = "state"\nlexicon = "lexicon.toml"\n[time]\nlateness = 60\n'
            f"[detection]\nprofiles = {profiles}\n{more}"
            '[[source]]\npath = "search.log"\nformat = "tsv"\n'
        )

    def write(self, address: str, query: str) -> None:
        """Log a search of now."""
        LogWriter(self.log).log_search(self.now, address, query)
        self.written.append((self.now, address, query))

    def run(self, until: int, seed: int) -> None:
        """Search every minute until a time, and let an engine count, from its start to its end."""
        rng = Random(seed)
        engine = Engine(loader.load(self.settings, {}), self.now)
        while self.now < until:
            self.write(f"192.0.2.{rng.randrange(20)}", rng.choice(QUERIES))
            self.now += 60 * SECOND
            while engine.tick(self.now, self.now):
                pass
        engine.commit(self.now, self.now)
        engine.close()
