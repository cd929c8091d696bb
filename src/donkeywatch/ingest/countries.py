"""Country of an address, from any database in MaxMind's format."""

from __future__ import annotations

import ipaddress
from hashlib import sha256
from pathlib import Path
from typing import Any

import maxminddb
import numpy as np
import numpy.typing as npt

from donkeywatch.counting.observations import Countries as Column
from donkeywatch.counting.observations import pack_country
from donkeywatch.errors import ConfigError
from donkeywatch.ingest.address_mac import AddressColumn
from donkeywatch.ingest.country_tree import SearchTree

UNKNOWN = pack_country("ZZ")
IPV4_MAPPED_WORD = 0xFFFF0000
"""What stands before an IPv4 address and behind zeros, as a number of the lowest byte first."""


class CountryLookup:
    """Looks countries up by column: IPv4 in sorted ranges, IPv6 in the tree of the database."""

    def __init__(self, path: Path | None) -> None:
        self.digest = "none"
        self._reader: maxminddb.Reader | None = None
        if path is None:
            return
        try:
            raw = path.read_bytes()
            self.digest = sha256(raw).hexdigest()[:16]
            # Not the reader in C: a damaged database ends the process.
            self._reader = maxminddb.open_database(str(path), maxminddb.MODE_MEMORY)
            db_metadata = self._reader.metadata()
            self._tree = SearchTree(
                raw, db_metadata.node_count, db_metadata.record_size, db_metadata.ip_version
            )
            self._country_by_record: dict[int, int] = {self._tree.nodes: UNKNOWN}
            self._starts, self._codes = self._ipv4_ranges(self._reader)
            self._by_prefix = _prefix_table(self._starts, self._codes)
        except Exception as error:  # a damaged file breaks its reader in many ways
            raise ConfigError(
                f"country database {path}: not usable ({type(error).__name__})",
                "set `countries` to a .mmdb file with countries, such as GeoLite2 or DB-IP",
            ) from None

    def _ipv4_ranges(self, reader: maxminddb.Reader) -> tuple[npt.NDArray[np.uint32], Column]:
        """Where another country begins, and which; each record is decoded once."""
        starts, records = self._tree.ipv4_leaves()
        record_ids, first, place = _unique_with_inverse(records)
        for record, start in zip(record_ids.tolist(), starts[first].tolist(), strict=True):
            if record not in self._country_by_record:
                address = ipaddress.IPv4Address(int(start))
                self._country_by_record[record] = _country_of_record(reader.get(address))
        codes = np.array([self._country_by_record[each] for each in record_ids.tolist()], np.uint16)
        codes = codes[place]
        new = np.concatenate(([True], codes[1:] != codes[:-1]))
        return starts[new].astype(np.uint32), codes[new]

    def lookup(self, addresses: AddressColumn) -> Column:
        """The country of each address, ``ZZ`` where the database names none."""
        codes = np.full(len(addresses), UNKNOWN, np.uint16)
        if self._reader is None or not len(addresses):
            return codes
        whole = np.ascontiguousarray(addresses)
        halves, numbers = whole.view("<u8"), whole.view(">u4")[:, 3]
        v4 = (halves[:, 0] == 0) & (halves[:, 1].astype(np.uint32) == IPV4_MAPPED_WORD)
        if v4.all():
            return self._of_v4(numbers.astype(np.uint32))
        codes[v4] = self._of_v4(numbers[v4].astype(np.uint32))
        codes[~v4] = self._of_v6(self._reader, whole[~v4])
        return codes

    def _of_v4(self, numbers: npt.NDArray[np.uint32]) -> Column:
        """By the first 16 bits where a country holds all behind them, else by the ranges."""
        codes: Column = self._by_prefix[numbers >> 16]
        ambiguous = np.flatnonzero(codes == 0)
        if len(ambiguous):
            place = np.searchsorted(self._starts, numbers[ambiguous], "right") - 1
            codes[ambiguous] = self._codes[place]
        return codes

    def _of_v6(self, reader: maxminddb.Reader, addresses: AddressColumn) -> Column:
        """By the record that the tree leads to; each record is decoded once."""
        records = self._tree.ipv6_records(addresses)
        record_ids, first, place = _unique_with_inverse(records)
        for record, example in zip(record_ids.tolist(), first.tolist(), strict=True):
            if record not in self._country_by_record:
                self._country_by_record[record] = _decode(reader, addresses[example].tobytes())
        known = [self._country_by_record[each] for each in record_ids.tolist()]
        return np.array(known, np.uint16)[place]


def _unique_with_inverse(records: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], ...]:
    """Each number once, where one of it stands, and which of them each item is."""
    order = np.argsort(records, kind="stable")
    new = np.flatnonzero(np.diff(records[order], prepend=-1))
    place = np.empty_like(order)
    place[order] = np.repeat(np.arange(len(new)), np.diff(new, append=len(order)))
    first = order[new]
    return records[first], first, place


def _prefix_table(starts: npt.NDArray[np.uint32], codes: Column) -> Column:
    """The country of each 16-bit prefix, 0 where there are several."""
    low = np.arange(1 << 16, dtype=np.uint32) << 16
    first = np.searchsorted(starts, low, "right") - 1
    last = np.searchsorted(starts, low | 0xFFFF, "right") - 1
    return np.where(first == last, codes[first], 0).astype(np.uint16)


def _decode(reader: maxminddb.Reader, address: bytes) -> int:
    try:
        return _country_of_record(reader.get(ipaddress.IPv6Address(address)))
    except (maxminddb.InvalidDatabaseError, ValueError, TypeError, RecursionError):
        return UNKNOWN


def _country_of_record(record: Any) -> int:
    """Country of a record in the layouts of GeoLite2, DB-IP and the flat lite databases."""
    if not isinstance(record, dict):
        return UNKNOWN
    for name in ("country", "registered_country"):
        country = record.get(name)
        iso = country.get("iso_code") if isinstance(country, dict) else None
        if isinstance(iso, str) and len(iso) == 2 and iso.isascii():
            return pack_country(iso.upper())
    iso = record.get("country_code")
    if isinstance(iso, str) and len(iso) == 2 and iso.isascii():
        return pack_country(iso.upper())
    return UNKNOWN
