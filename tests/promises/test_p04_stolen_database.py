"""P4: a stolen database names nobody without the key, and after the week nothing does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import HOUR, WEEK, week_name, week_start
from donkeywatch.ingest import keyring
from donkeywatch.ingest.keyring import INSTALL_KEY_NAME, Keyring, key_check_value
from donkeywatch.runtime.engine import Engine
from donkeywatch.settings import loader
from donkeywatch.simulation import simulation_directory
from donkeywatch.simulation.generator import Simulation
from donkeywatch.sources.fingerprints import HEAD, TAIL
from promises.stolen_state import bare_hashes, network, pseudonym_forms, stored_bytes, windows
from support.log_writer import LogWriter, search_line
from support.simulated_server import START

MONDAY = week_start("2026-W41")
PREFIX = bytes([198, 51])
HOSTS = 60


class Theft:
    """A state that was in use, and what its thief has besides: the log's lines and the network."""

    def __init__(self, directory: Path) -> None:
        sim = Simulation(start=START, hours=1, queries=50, addresses=50)
        settings = loader.load(simulation_directory.write_settings(sim, directory), {})
        self.state, self.log = directory / "state", directory / "search.log"
        self.now = MONDAY + HOUR
        self.lines = [
            search_line(self.now, f"198.51.{host}.{host}", "zqorv") for host in range(HOSTS)
        ]
        self.log.write_bytes(self.lines[0])
        self.engine = Engine(settings, self.now)
        self.engine.tick(self.now)
        self.log.write_bytes(b"".join(self.lines))
        for _ in range(3):
            self.step(HOUR)
        self.week_key = (self.state / "keys" / f"{week_name(MONDAY)}.key").read_bytes()
        self.lasting_key = (self.state / "keys" / INSTALL_KEY_NAME).read_bytes()

    def step(self, ms: int) -> None:
        """Let the clock go on, with a search of nobody in the network."""
        self.now += ms
        LogWriter(self.log).log_search(self.now, "203.0.113.9", "zqorv")
        self.engine.tick(self.now)

    def pass_two_weeks(self) -> None:
        """Until nothing of the first week may be left."""
        while self.now < MONDAY + 2 * WEEK + 6 * HOUR:
            self.step(12 * HOUR)

    def known(self, *keys: bytes) -> int:
        """Give how many addresses of the network somebody with some keys finds in the files."""
        stored, addresses = windows(stored_bytes(self.state)), network(PREFIX)
        hits = sum(form in stored for key in keys for form in pseudonym_forms(addresses, key))
        for row in addresses[:: 1 << 6]:  # Every 64th: those of the log are among them.
            for content in (row.tobytes(), row.tobytes()[12:]):
                hits += sum(made[:8] in stored for made in bare_hashes(content, keys))
        return hits

    def confirmed(self, *keys: bytes) -> list[int]:
        """Give the places in the log up to which somebody with some keys can confirm lines.

        The front of the log up to each line, and some bytes before its end.
        """
        stored = windows(stored_bytes(self.state))
        content = self.log.read_bytes()
        ends = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
        contents = [(end, content[:end][:HEAD]) for end in ends]
        contents += [(end, content[max(0, end - TAIL) : end]) for end in ends]
        return [
            end
            for end, part in contents
            if any(made[:8] in stored for made in bare_hashes(part, (*keys, bytes(32))))
        ]


@pytest.fixture
def theft(tmp_path: Path) -> Iterator[Theft]:
    """A state in the middle of its first week."""
    made = Theft(tmp_path)
    yield made
    made.engine.close()


def test_no_address_of_a_network_is_found_without_the_key(theft: Theft) -> None:
    """All 65,536 are tried; with the week's key each of the log is found, so the search works."""
    assert theft.known(theft.lasting_key, bytes(32)) == 0
    assert theft.known(theft.week_key) >= HOSTS


def test_no_first_line_is_confirmed_without_the_key(theft: Theft) -> None:
    """Neither the first line nor any beginning of the log; with the week's key it is."""
    assert theft.confirmed(theft.lasting_key) == []
    assert theft.confirmed(theft.week_key)


def test_after_the_week_every_file_together_tells_nothing(theft: Theft) -> None:
    """The thief has all files, all keys there are, the lines of the log and the network."""
    theft.pass_two_weeks()
    keys = [path.read_bytes() for path in (theft.state / "keys").glob("*.key")]
    assert theft.lasting_key in keys
    assert theft.week_key not in keys
    assert theft.known(*keys, bytes(32)) == 0
    assert theft.known(theft.week_key) == 0, "even a key that was copied finds nothing"
    assert theft.confirmed(theft.lasting_key, theft.week_key) == []
    # The week that runs has one fingerprint, of all there is: no line of it can be tested alone.
    assert set(theft.confirmed(*keys)) <= {theft.log.stat().st_size}


def fingerprints(theft: Theft) -> list[tuple[int, int, bytes]]:
    """Give week, length and hash of the front of each file, as the database has them."""
    return theft.engine.store.connection.execute(
        "select key_week, head_length, head_hash from generations"
    ).fetchall()


def test_a_fingerprint_is_made_anew_before_the_key_of_its_week_goes(theft: Theft) -> None:
    """Also of a log that nobody writes to: else it would not be known again."""
    while theft.now < MONDAY + 2 * WEEK + 6 * HOUR:
        theft.now += 12 * HOUR
        theft.engine.tick(theft.now)
    ((week, length, _),) = fingerprints(theft)
    assert week >= MONDAY + WEEK
    assert length > 0


def test_no_fingerprint_outlives_the_key_of_its_week(theft: Theft) -> None:
    """One that was not made anew goes with the record of the key."""
    ((week, length, _),) = fingerprints(theft)
    assert (week, length > 0) == (MONDAY, True)
    theft.engine.store.record_key_destruction(MONDAY + WEEK)
    assert fingerprints(theft) == [(MONDAY, 0, b"")]


def test_every_key_is_drawn_at_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what the system's generator gave, so that nothing that is known leads to it."""
    drawn: list[bytes] = []
    draw = secrets.token_bytes

    def spy(length: int) -> bytes:
        drawn.append(draw(length))
        return drawn[-1]

    monkeypatch.setattr(secrets, "token_bytes", spy)
    ring = Keyring(tmp_path / "keys", {}, lambda _week, _proof: None, lambda _checks: None)
    weeks = [ring.key(week) for week in range(0, 3 * WEEK, WEEK)]
    lost = Keyring(
        tmp_path / "lost", {0: (b"", False)}, lambda _week, _proof: None, lambda _checks: None
    ).key(0)
    lasting = keyring.install_key(tmp_path / "keys", fresh=True)
    assert [*weeks, lost, lasting] == drawn
    assert {len(key) for key in drawn} == {32}


def test_the_proof_of_a_key_is_keyed_by_it_alone() -> None:
    """It tells whether a key is the right one, and is no part of the key."""
    key = bytes(range(32))
    assert key_check_value(key) != key_check_value(bytes(32))
    assert key_check_value(key) not in key
