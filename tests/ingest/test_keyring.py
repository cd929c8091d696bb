"""Weekly keys: made once, guarded, destroyed on schedule and never made again."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from donkeywatch.counting.calendar import WEEK, week_name, week_start
from donkeywatch.errors import ConfigError
from donkeywatch.ingest import keyring
from donkeywatch.ingest.keyring import (
    INSTALL_KEY_NAME,
    KEY_BYTES,
    SUPPLIED,
    Keyring,
    destroy_all,
    ensure_directory,
    install_key,
    key_check_value,
    supply_key,
)

W40, W41, W42 = (week_start(f"2026-W{number}") for number in (40, 41, 42))


class Records:
    """The database's side of the keys."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.epochs: dict[int, tuple[bytes, bool]] = {}

    def register(self, week: int, value: bytes) -> None:
        """Store a new week, whose key must be on disk by then."""
        assert week not in self.epochs
        path = self.directory / f"{week_name(week)}.key"
        assert key_check_value(path.read_bytes()) == value
        self.epochs[week] = (value, False)

    def replace_lost(self, checks: Mapping[int, bytes]) -> None:
        """Store others in the place of keys that are lost, before they are on disk."""
        for week, value in checks.items():
            assert not (self.directory / f"{week_name(week)}.key").exists()
            self.epochs[week] = (value, False)

    def open(self) -> Keyring:
        """A keyring as a fresh start finds it."""
        return Keyring(self.directory, dict(self.epochs), self.register, self.replace_lost)

    def seal(self, before: int) -> None:
        """What the database does before keys are destroyed: the proof goes."""
        for week in self.epochs:
            if week < before:
                self.epochs[week] = (b"", True)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """No week yet."""
    return Records(tmp_path / "keys")


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Whatever the umask is."""
    before = os.umask(request.param)
    yield int(request.param)
    os.umask(before)


def key_of(ring: Keyring, week: int) -> bytes:
    """A key that is there."""
    key = ring.key(week)
    assert key is not None
    return key


def test_modes_are_private_whatever_the_umask(records: Records, umask: int) -> None:
    """The directory is 0700, every key 0600, and no half-written file stays."""
    key_of(records.open(), W40)
    install_key(records.directory, fresh=True)
    assert records.directory.stat().st_mode & 0o777 == 0o700
    assert {p.name: p.stat().st_mode & 0o777 for p in records.directory.iterdir()} == {
        "2026-W40.key": 0o600,
        INSTALL_KEY_NAME: 0o600,
    }


def test_keys_are_random_and_last(records: Records) -> None:
    """Each week has its own 256 bits, the same after a restart."""
    ring = records.open()
    keys = [key_of(ring, week) for week in (W40, W41, W42)]
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert len(set(keys)) == 3
    assert [key_of(ring, week) for week in (W40, W41, W42)] == keys
    again = records.open()
    assert [key_of(again, week) for week in (W40, W41, W42)] == keys
    assert again.active_weeks() == [W40, W41, W42]


def test_a_key_is_on_disk_before_it_is_known(records: Records) -> None:
    """If the database refuses a new week, nothing is hashed with its key."""

    def refuse(week: int, value: bytes) -> None:
        raise OSError("disk full")

    ring = Keyring(records.directory, {}, refuse, records.replace_lost)
    with pytest.raises(OSError, match="disk full"):
        ring.key(W40)
    assert ring.active_weeks() == []
    assert key_of(records.open(), W40)
    assert list(records.epochs) == [W40]


def test_destroyed_keys_are_gone_and_never_made_again(records: Records) -> None:
    """Neither the running ring nor a later one has the key or its file."""
    ring = records.open()
    keys = [key_of(ring, week) for week in (W40, W41, W42)]
    held = (records.directory / "2026-W40.key").open("rb")
    records.seal(W42)
    ring.destroy_before(W42)
    for item in (ring, records.open()):
        assert item.key(W40) is item.key(W41) is None
        assert item.key(W42) == keys[2]
        assert item.active_weeks() == [W42]
    assert [p.name for p in records.directory.iterdir()] == ["2026-W42.key"]
    assert held.read() != keys[0], "the bytes on disk were overwritten before"
    held.close()


def test_a_crash_between_sealing_and_destroying_is_made_good(records: Records) -> None:
    """The database says sealed, the file is still there: the next start removes it."""
    key_of(records.open(), W40)
    records.seal(W41)
    assert (records.directory / "2026-W40.key").exists()
    ring = records.open()
    assert ring.key(W40) is None
    assert list(records.directory.iterdir()) == []


def test_a_key_that_cannot_be_destroyed_is_told(records: Records) -> None:
    """A start that finds one left, and cannot overwrite it, names the remedy."""
    key_of(records.open(), W40)
    records.seal(W41)
    path = records.directory / "2026-W40.key"
    path.unlink()
    path.mkdir()
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"2026-W40.*has to be destroyed.*give .*keys"):
            records.open()


def test_an_empty_proof_unseals_nothing(records: Records) -> None:
    """A destroyed week stays destroyed when its old file is put back."""
    key = key_of(records.open(), W40)
    records.seal(W41)
    records.open()
    path = records.directory / "2026-W40.key"
    path.write_bytes(key)
    path.chmod(0o600)
    assert records.open().key(W40) is None
    assert not path.exists()


def refusal(records: Records, key: bytes) -> str:
    """What the user is told; never the key."""
    with pytest.raises(ConfigError) as message:
        records.open()
    assert key.hex() not in str(message.value)
    assert repr(key) not in str(message.value)
    return str(message.value)


def test_a_week_whose_key_is_lost_goes_on_under_another(records: Records) -> None:
    """A key directory in memory is empty after a reboot: which weeks it held is told."""
    keys = [key_of(records.open(), week) for week in (W40, W41)]
    records.seal(W41)
    (records.directory / "2026-W40.key").unlink()
    (records.directory / "2026-W41.key").unlink()
    ring = records.open()
    assert ring.lost == [W41]
    assert ring.key(W40) is None
    assert key_of(ring, W41) not in keys
    again = records.open()
    assert again.lost == []
    assert again.key(W41) == ring.key(W41)


def test_a_crash_while_a_lost_key_is_replaced_is_made_good(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its proof was stored and the new key was not: it is lost once more, and not refused."""
    key_of(records.open(), W40)
    (records.directory / "2026-W40.key").unlink()

    def fail(path: Path, key: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(keyring, "write_private_file", fail)
        with pytest.raises(OSError, match="No space"):
            records.open()
    assert records.open().lost == [W40]
    assert records.open().lost == []


def test_wrong_keys_are_refused(records: Records) -> None:
    """A key that is there is never replaced."""
    key = key_of(records.open(), W40)
    path = records.directory / "2026-W40.key"
    for content, message in (
        (bytes(KEY_BYTES), "not the one"),
        (key[:-1], "not a key of 32 bytes"),
        (key + b"\n", "not a key of 32 bytes"),
        (b"", "not a key of 32 bytes"),
    ):
        path.write_bytes(content)
        path.chmod(0o600)
        assert message in refusal(records, key)
        assert path.read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused(records: Records, mode: int) -> None:
    """The week's key and the lasting one alike."""
    key = key_of(records.open(), W40)
    lasting = install_key(records.directory, fresh=True)
    (records.directory / "2026-W40.key").chmod(mode)
    assert "others can read it" in refusal(records, key)
    (records.directory / INSTALL_KEY_NAME).chmod(mode)
    with pytest.raises(ConfigError, match="others can read it") as message:
        install_key(records.directory, fresh=False)
    assert lasting.hex() not in str(message.value)


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o770, 0o755])
def test_a_directory_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """Names of key files tell weeks, and writers could swap them."""
    directory = tmp_path / "keys"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(ConfigError, match="open to others"):
        ensure_directory(directory)


def test_a_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """A file in its place is told, not raised."""
    (tmp_path / "keys").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be used"):
        ensure_directory(tmp_path / "keys")


def test_a_symbolic_link_is_no_key(records: Records, tmp_path: Path) -> None:
    """A key must lie where it seems to lie."""
    key = key_of(records.open(), W40)
    path = records.directory / "2026-W40.key"
    path.rename(tmp_path / "elsewhere.key")
    path.symlink_to(tmp_path / "elsewhere.key")
    assert "symbolic link" in refusal(records, key)


def test_a_directory_is_no_key(records: Records) -> None:
    """A directory in place of a key is told, not raised."""
    ensure_directory(records.directory)
    (records.directory / INSTALL_KEY_NAME).mkdir(mode=0o700)
    with pytest.raises(ConfigError):
        install_key(records.directory, fresh=False)


def test_the_lasting_key_is_made_once(records: Records) -> None:
    """Made when the state is fresh, kept after, and refused when it is gone."""
    ensure_directory(records.directory)
    key = install_key(records.directory, fresh=True)
    assert install_key(records.directory, fresh=True) == key
    assert install_key(records.directory, fresh=False) == key
    (records.directory / INSTALL_KEY_NAME).unlink()
    with pytest.raises(ConfigError, match="missing"):
        install_key(records.directory, fresh=False)
    assert not (records.directory / INSTALL_KEY_NAME).exists()


def test_a_half_written_key_is_written_again(records: Records) -> None:
    """What a crash left of a key file is in nobody's way, and is never taken for a key."""
    ensure_directory(records.directory)
    part = records.directory / ".2026-W40.key.part"
    part.write_bytes(b"half")
    key = key_of(records.open(), W40)
    assert len(key) == KEY_BYTES
    assert not part.exists()


def test_a_key_that_was_half_destroyed_is_lost_and_not_another_one(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash came after it was overwritten, where the database still expects it."""
    ring = records.open()
    key = key_of(ring, W40)

    def die(_path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            ring.discard(W40)
    again = records.open()
    assert again.lost == [W40]
    assert key_of(again, W40) != key
    assert {path.name for path in records.directory.iterdir()} == {"2026-W40.key"}


def test_what_crashes_left_of_keys_is_destroyed(records: Records) -> None:
    """Of other weeks as well, and of those that a fleet has in common."""
    ensure_directory(records.directory)
    supply_key(records.directory, W42, secrets.token_bytes(KEY_BYTES))
    parts = [records.directory / ".2026-W05.key.part", records.directory / SUPPLIED / ".x.part"]
    for opens in (records.open, lambda: destroy_all(records.directory)):
        for part in parts:
            part.write_bytes(secrets.token_bytes(KEY_BYTES))
        opens()
        assert not any(part.exists() for part in parts)


def test_destroying_nothing_is_nothing(records: Records) -> None:
    """Keys of later weeks stay."""
    ring = records.open()
    key = key_of(ring, W41)
    ring.destroy_before(W41)
    ring.destroy_before(W41 - 10 * WEEK)
    assert ring.key(W41) == key


def test_a_proof_tells_keys_apart_and_nothing_else() -> None:
    """Sixteen bytes that differ by key and hold none of it."""
    first, two = key_check_value(bytes(KEY_BYTES)), key_check_value(b"\1" * KEY_BYTES)
    assert len(first) == len(two) == 16
    assert first != two
    assert first == key_check_value(bytes(KEY_BYTES))
