"""Countries by column, from a database in MaxMind's format."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import maxminddb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkeywatch.counting.observations import unpack_country
from donkeywatch.errors import ConfigError
from donkeywatch.ingest.addresses import parse_address
from donkeywatch.ingest.countries import CountryLookup
from donkeywatch.simulation.truth import write_countries

NETWORKS = {
    "FR": ["192.0.2.0/25", "2001:db8:1::/48"],
    "DE": ["192.0.2.128/26", "198.51.100.7/32"],
    "SE": ["203.0.113.0/24", "2001:db8:2::/48"],
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A small database of documentation networks."""
    path = tmp_path / "countries.mmdb"
    write_countries(path, NETWORKS, 1)
    return path


def names(countries: CountryLookup, addresses: list[str]) -> list[str]:
    """Country names of addresses."""
    raw = [parse_address(text.encode()) for text in addresses]
    column = np.frombuffer(b"".join(item for item in raw if item), np.uint8).reshape(-1, 16)
    assert len(column) == len(addresses)
    return [unpack_country(code) for code in countries.lookup(column).tolist()]


def test_addresses_of_both_families_have_their_country(database: Path) -> None:
    """IPv4 and IPv6 in one column keep their order; what no network holds is ZZ."""
    request = {
        "192.0.2.0": "FR", "192.0.2.127": "FR", "2001:db8:1::5": "FR", "192.0.2.128": "DE",
        "192.0.2.191": "DE", "192.0.2.192": "ZZ", "198.51.100.6": "ZZ", "198.51.100.7": "DE",
        "198.51.100.8": "ZZ", "2001:db8:2:ffff::": "SE", "2001:db8:3::": "ZZ",
        "203.0.113.255": "SE", "::ffff:203.0.113.1": "SE", "2001:db8::": "ZZ",
    }  # fmt: skip
    assert names(CountryLookup(database), list(request)) == list(request.values())


def test_every_ipv4_address_agrees_with_the_networks(database: Path) -> None:
    """All addresses of the documentation networks, against a plain search."""
    known = [
        (ipaddress.ip_network(part), name) for name, parts in NETWORKS.items() for part in parts
    ]

    def every() -> Iterator[str]:
        for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"):
            yield from map(str, ipaddress.ip_network(net))

    arguments = list(every())
    expected = [
        next((n for net, n in known if ipaddress.ip_address(a) in net), "ZZ") for a in arguments
    ]
    assert names(CountryLookup(database), arguments) == expected


V6_NETWORKS = [net for nets in NETWORKS.values() for net in nets if ":" in net]


@given(
    st.lists(
        st.sampled_from([*V6_NETWORKS, "2001:db8::/32"]).flatmap(
            lambda network: st.ip_addresses(v=6, network=network)
        ),
        max_size=60,
    )
)
def test_every_ipv6_address_agrees_with_the_reader_of_the_database(
    addresses: list[ipaddress.IPv6Address],
) -> None:
    """Led through the tree together they end where each ends alone."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "countries.mmdb"
        write_countries(path, NETWORKS, 1)
        with maxminddb.open_database(path, maxminddb.MODE_MEMORY) as reader:
            records: list[Any] = [reader.get(address) for address in addresses]
        expected = [each["country"]["iso_code"] if each else "ZZ" for each in records]
        assert names(CountryLookup(path), list(map(str, addresses))) == expected


def test_without_a_database_no_address_has_a_country() -> None:
    """All of them are ZZ, and the digest says so."""
    countries = CountryLookup(None)
    assert names(countries, ["192.0.2.1", "2001:db8:1::5"]) == ["ZZ", "ZZ"]
    assert countries.digest == "none"
    assert names(countries, []) == []


def test_the_digest_follows_the_content(database: Path, tmp_path: Path) -> None:
    """The same file has the same digest under any name; another database has another."""
    first = CountryLookup(database).digest
    copy = tmp_path / "copy.mmdb"
    copy.write_bytes(database.read_bytes())
    other = tmp_path / "other.mmdb"
    write_countries(other, {"FR": ["192.0.2.0/24"]}, 1)
    assert CountryLookup(copy).digest == first != CountryLookup(other).digest


@pytest.mark.parametrize("content", [b"", b"zqorv", bytes(5000), b"\xab\xcd\xefMaxMind.com"])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """The operator is told, with exit code 2."""
    path = tmp_path / "broken.mmdb"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not usable") as message:
        CountryLookup(path)
    assert message.value.exit_code == 7


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    """Neither is taken for a database without networks."""
    for path in (tmp_path / "nowhere.mmdb", tmp_path):
        with pytest.raises(ConfigError, match="not usable"):
            CountryLookup(path)


def test_a_damaged_database_is_refused_or_read(database: Path) -> None:
    """Whatever byte is wrong, the answer is a ConfigError or a country, never a traceback."""
    content = database.read_bytes()
    column = np.frombuffer(parse_address(b"2001:db8:1::5") or b"", np.uint8).reshape(1, 16)
    raised = set()
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 0x15
        database.write_bytes(damaged)
        try:
            CountryLookup(database).lookup(column)
        except ConfigError:
            continue
        except Exception as error:
            raised.add(type(error).__name__)
    assert raised == set()


def test_a_cut_database_is_refused(database: Path) -> None:
    """A download that stopped half-way is not usable."""
    content = database.read_bytes()
    for size in range(0, len(content) - 1, 97):
        database.write_bytes(content[:size])
        with pytest.raises(ConfigError, match="not usable"):
            CountryLookup(database)
