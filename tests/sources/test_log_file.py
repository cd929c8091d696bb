"""Plain and compressed files behind one way of reading."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import random
import struct
import subprocess
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import lz4.frame
import pytest
import zstandard

from donkeywatch.errors import SourceError
from donkeywatch.sources.decoders import Members
from donkeywatch.sources.file_kinds import KIND_BYTES, refusal
from donkeywatch.sources.log_file import (
    CompressedFile,
    DamagedArchiveError,
    PlainFile,
    is_compressed,
    is_missing,
    open_file,
)

CONTENT = b"".join(b"%07d zqorv\n" % n for n in range(250_000))
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, 1),
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": lambda data: zstandard.compress(data, 1),
    ".bz2": lambda data: bz2.compress(data, 1),
    ".lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
}
STREAM: dict[str, Callable[[], Any]] = {
    ".gz": lambda: zlib.compressobj(1, wbits=31),
    ".xz": lambda: lzma.LZMACompressor(preset=0),
    ".zst": lambda: zstandard.ZstdCompressor(1).compressobj(),
    ".bz2": lambda: bz2.BZ2Compressor(1),
    ".lz4": lambda: Lz4(),
}


class Lz4:
    """A stream of lz4 by the names that the other ones have."""

    def __init__(self) -> None:
        self._packer = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes) -> bytes:
        """A part of it."""
        begin = b"" if self._begun else self._packer.begin()
        self._begun = True
        return bytes(begin + self._packer.compress(data))

    def flush(self) -> bytes:
        """Its end."""
        return bytes(self._packer.flush())


def written(directory: Path, ending: str, content: bytes) -> Path:
    """A file of that ending."""
    path = directory / f"search.log.1{ending}"
    path.write_bytes(PACK[ending](content) if ending else content)
    return path


@pytest.mark.parametrize("ending", ["", *PACK])
def test_any_bytes_at_any_offset(tmp_path: Path, ending: str) -> None:
    """Forward, backward, over the end and past it, as the content itself would give."""
    file = open_file(written(tmp_path, ending, CONTENT))
    rng = random.Random(5)
    reads = [(0, 4096), (len(CONTENT) - 10, 100), (len(CONTENT), 1), (len(CONTENT) + 99, 5), (0, 0)]
    reads += [(rng.randrange(len(CONTENT)), rng.randrange(1 << 20)) for _ in range(12)]
    for offset, length in reads:
        assert file.read(offset, length) == CONTENT[offset : offset + length]
    assert isinstance(file, CompressedFile if ending else PlainFile)
    file.close()


@pytest.mark.parametrize("ending", list(PACK))
def test_archives_of_several_parts_are_read_to_their_end(tmp_path: Path, ending: str) -> None:
    """Archives that were put one behind the other (`cat a.gz b.gz`) are one log."""
    path = tmp_path / f"search.log.1{ending}"
    path.write_bytes(PACK[ending](CONTENT[:500]) + PACK[ending](CONTENT[500:900]))
    file = open_file(path)
    assert file.read(0, 10_000) == CONTENT[:900]
    assert file.read(480, 40) == CONTENT[480:520]
    file.close()


@pytest.mark.parametrize("ending", list(PACK))
@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_an_archive_cut_short_is_damaged(tmp_path: Path, ending: str, part: float) -> None:
    """Never taken for the end of the log; whole lines before the cut may be read."""
    path = written(tmp_path, ending, CONTENT)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    file = open_file(path)
    with pytest.raises(DamagedArchiveError):
        file.read(0, len(CONTENT) + 1)
    path.write_bytes(whole)
    assert file.read(len(CONTENT) - 5, 5) == CONTENT[-5:]
    file.close()


def test_a_log_may_be_made_of_archives_of_every_kind(tmp_path: Path) -> None:
    """One behind the other, with frames without content and padding between them."""
    empty_frame = struct.pack("<II", 0x184D2A53, 5) + b"zqorv"
    parts = [PACK[ending](CONTENT[at * 500 : at * 500 + 500]) for at, ending in enumerate(PACK)]
    path = tmp_path / "search.log.1"
    path.write_bytes(empty_frame + (bytes(4) + empty_frame).join(parts) + bytes(512))
    file = open_file(path)
    assert file.read(0, 10_000) == CONTENT[: 500 * len(PACK)]
    assert isinstance(file, CompressedFile)
    assert file.ignored == 512
    file.close()


@pytest.mark.parametrize("ending", list(PACK))
@pytest.mark.parametrize("name", ["search.log", "search.log.gz.1", "search.log.2.GZ", "a.txt.gz"])
def test_content_decides_and_not_the_name(tmp_path: Path, ending: str, name: str) -> None:
    """An archive under another name is decoded, and text that is called one is text."""
    path = tmp_path / name
    path.write_bytes(PACK[ending](CONTENT[:999]))
    assert is_compressed(path)
    file = open_file(path)
    assert file.read(0, 2000) == CONTENT[:999]
    file.close()
    path.write_bytes(CONTENT[:999])
    assert not is_compressed(path)
    file = open_file(path)
    assert isinstance(file, PlainFile)
    file.close()


@pytest.mark.parametrize("ending", list(PACK))
@pytest.mark.parametrize("behind", [b"x", b"zqorv\n" * 99, bytes(7), bytes(40) + b"\xff" * 3000])
def test_what_follows_an_archive_and_is_none_is_ignored(
    tmp_path: Path, ending: str, behind: bytes
) -> None:
    """As gzip does; how much it is can be told."""
    path = written(tmp_path, ending, CONTENT[:999])
    path.write_bytes(path.read_bytes() + behind)
    file = open_file(path)
    assert file.read(0, 5000) == CONTENT[:999]
    assert isinstance(file, CompressedFile)
    assert file.ignored == len(behind)
    file.close()


@pytest.mark.parametrize("ending", list(PACK))
@pytest.mark.parametrize("size", [1, 2, 3, 20, 200])
def test_a_second_archive_that_is_cut_short_is_damage(
    tmp_path: Path, ending: str, size: int
) -> None:
    """Be it within its first bytes: all of the first one is read, and that there is more is told.

    Of bzip2 one letter, or three, may be anything.
    """
    path = written(tmp_path, ending, CONTENT[:999])
    path.write_bytes(path.read_bytes() + PACK[ending](CONTENT)[:size])
    file = open_file(path)
    with pytest.raises(DamagedArchiveError):
        file.read(0, 5000)
    assert file.read_sound(0, 5000)[:999] == CONTENT[:999]
    file.close()


@pytest.mark.parametrize("ending", list(PACK))
@pytest.mark.parametrize("part", [0.001, 0.3, 0.9, 0.999])
def test_what_decodes_before_the_damage_is_given_out(
    tmp_path: Path, ending: str, part: float
) -> None:
    """Of an archive cut short as much as its own tool gives; a flipped bit takes one block."""
    path = written(tmp_path, ending, CONTENT)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    file = open_file(path)
    sound = file.read_sound(0, len(CONTENT))
    assert CONTENT.startswith(sound)
    assert file.read(0, len(sound)) == sound
    with pytest.raises(DamagedArchiveError):
        file.read(0, len(sound) + 1)
    file.close()
    if ending == ".gz":
        done = subprocess.run(["gzip", "-dcq", path], capture_output=True)
        assert sound == done.stdout
    flipped = bytearray(whole)
    flipped[int(len(whole) * part)] ^= 4
    path.write_bytes(flipped)
    file = open_file(path)
    # Nine tenths: blocks of bzip2 and xz are as large as that.
    least = {".xz": 0.0, ".bz2": part - 0.35}.get(ending, part - 0.1)
    assert len(file.read_sound(0, len(CONTENT))) >= least * len(CONTENT)
    file.close()


def test_a_wrong_checksum_takes_nothing_away(tmp_path: Path) -> None:
    """All lines are there; only then the archive is found to be damaged."""
    whole = bytearray(PACK[".gz"](CONTENT))
    whole[-6] ^= 1
    path = tmp_path / "search.log.1.gz"
    path.write_bytes(whole)
    file = open_file(path)
    assert file.read_sound(0, len(CONTENT) + 1) == CONTENT
    with pytest.raises(DamagedArchiveError):
        file.read(0, len(CONTENT) + 1)
    file.close()


@pytest.mark.parametrize("ending", list(PACK))
def test_an_archive_of_noise_is_damaged(tmp_path: Path, ending: str) -> None:
    """Bytes that are no archive at all."""
    path = tmp_path / f"search.log.1{ending}"
    path.write_bytes(random.Random(1).randbytes(5000))
    file = open_file(path)
    with pytest.raises(DamagedArchiveError):
        file.read(0, 10)
    file.close()


@pytest.mark.parametrize("ending", list(PACK))
@pytest.mark.untraced
def test_a_flipped_bit_is_damage_and_nothing_else(tmp_path: Path, ending: str) -> None:
    """Whatever the decoder says of it; where there is no checksum, it may go unseen."""
    whole = written(tmp_path, ending, CONTENT[: 1 << 17]).read_bytes()
    path, rng = tmp_path / f"flipped{ending}", random.Random(2)
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        file = open_file(path)
        with suppress(DamagedArchiveError):
            file.read(0, (1 << 17) + 1)
        file.close()


@pytest.mark.parametrize("ending", list(PACK))
def test_a_failing_disk_is_no_damage(tmp_path: Path, ending: str) -> None:
    """What is on it may be whole: the archive is asked again, from its front."""
    file = open_file(written(tmp_path, ending, CONTENT))
    assert isinstance(file, CompressedFile)
    stream = file._stream
    file._stream = cast(Members, Failing())
    with pytest.raises(OSError, match="Input/output error"):
        file.read(0, 100)
    assert file._stream is not stream
    assert file.read(0, len(CONTENT)) == CONTENT
    file.close()


class Failing:
    """What a decoder says of a disk that cannot be read."""

    def read(self, _size: int) -> bytes:
        """No byte."""
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("ending", list(PACK))
def test_what_stands_for_very_much_is_decoded_in_parts(tmp_path: Path, ending: str) -> None:
    """Half a gigabyte of one byte is a few kilobytes of .zst; it never is in memory at once."""
    path = tmp_path / f"search.log.1{ending}"
    packer = STREAM[ending]()
    parts = [packer.compress(b"z" * (1 << 20)) for _ in range(512)]
    path.write_bytes(b"".join([*parts, packer.flush()]))
    tracemalloc.start()
    try:
        file = open_file(path)
        for step in range(512):
            assert file.read(step << 20, 1 << 20) == b"z" * (1 << 20)
        assert not file.read(512 << 20, 1)
        file.close()
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_a_plain_file_outlives_its_name(tmp_path: Path) -> None:
    """Renamed and deleted, its bytes are read and its growth is seen."""
    path = tmp_path / "search.log"
    path.write_bytes(b"zqorv\n")
    file = PlainFile(path)
    with path.open("ab") as more:
        path.unlink()
        more.write(b"vroqz\n")
    assert file.size() == 12
    assert file.read(6, 99) == b"vroqz\n"
    assert file.identity == (file.stat().st_dev, file.stat().st_ino)
    file.close()


@pytest.mark.parametrize("kind", ["directory", "pipe", "device"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    """No hanging on a pipe, and no descriptor left open."""
    path = {"directory": tmp_path, "pipe": tmp_path / "pipe", "device": Path("/dev/null")}[kind]
    if kind == "pipe":
        os.mkfifo(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(SourceError, match=r"is (a directory|not a regular file) -> set"):
        open_file(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_only_absence_is_absence() -> None:
    """ENOENT and ENOTDIR say that nothing is there; EACCES and EMFILE say nothing."""
    assert is_missing(FileNotFoundError(2, ""))
    assert is_missing(NotADirectoryError(20, ""))
    assert not is_missing(PermissionError(13, ""))
    assert not is_missing(OSError(24, ""))
    assert is_compressed(Path("a.log.1.gz"))
    assert not is_compressed(Path("a.gz.1"))


def test_no_query_makes_a_log_refused() -> None:
    """Behind what the server writes itself any bytes may stand, those of archives among them."""
    stamp = b"2026-11-23T10:44:36.285Z\t192.0.2.7\t"
    tar = (stamp + b"\0" * 300)[:257] + b"ustar\0" + b"00"
    for query in (b"\0\1\2" * 900, b"\xff" * 900, b"PK\x03\x04", b"\x7fELF", tar[len(stamp) :]):
        for before in (b"", bytes(700), b"\xef\xbb\xbf"):
            assert refusal((before + stamp + query + b"\n" + query)[:KIND_BYTES]) is None
    noise = random.Random(3)
    assert all(refusal(noise.randbytes(KIND_BYTES)) for _ in range(300))
