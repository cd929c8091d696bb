"""What a removed file held is not on the disk any more, as far as one can overwrite it."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from donkeywatch.store.file_erasure import erase_directory, erase_file

MARK = b"zqorv-this-is-not-to-stay"
SIZE = 3 << 20


def wait() -> None:
    """Until all that is to be overwritten is."""
    for thread in threading.enumerate():
        if thread.name == "erasing":
            thread.join(60)


def test_no_block_of_the_disk_holds_what_was_erased(disk: tuple[Path, Path]) -> None:
    """And it does hold what is only removed, or the test shows nothing."""
    image, mounted = disk
    kept, erased = mounted / "removed", mounted / "copies"
    erased.mkdir()
    kept.write_bytes((MARK + b"-removed--") * (SIZE // 40))
    for path in (erased / "a.db", erased / "b.part"):
        path.write_bytes((MARK + b"-erased--") * (SIZE // 40))
    (erased / "quarantine").mkdir()
    (erased / "quarantine" / "c.db").write_bytes((MARK + b"-erased--") * (SIZE // 40))
    subprocess.run(["sync", "-f", mounted], check=True)
    kept.unlink()
    erase_directory(erased)
    wait()
    subprocess.run(["umount", mounted], check=True)
    data = image.read_bytes()
    assert MARK + b"-removed--" in data
    assert MARK + b"-erased--" not in data


def test_a_file_is_gone_at_once(tmp_path: Path) -> None:
    """And one that is not there is no error."""
    path = tmp_path / "file"
    path.write_bytes(MARK)
    erase_file(path)
    assert not path.exists()
    erase_file(path)
    wait()


def test_another_name_of_a_file_keeps_it(tmp_path: Path) -> None:
    """It is somebody else's copy."""
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(MARK)
    other.hardlink_to(path)
    erase_file(path)
    wait()
    assert not path.exists()
    assert other.read_bytes() == MARK


def test_a_link_is_removed_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    """Nothing outside of a directory is overwritten."""
    outside = tmp_path / "outside"
    outside.write_bytes(MARK)
    directory = tmp_path / "directory"
    directory.mkdir()
    (directory / "link").symlink_to(outside)
    (directory / "linked").symlink_to(tmp_path)
    erase_directory(directory)
    wait()
    assert not directory.exists()
    assert outside.read_bytes() == MARK


def test_without_a_thread_it_is_overwritten_at_once(tmp_path: Path, no_more_threads: None) -> None:
    """A limit of threads leaves nothing behind."""
    path = tmp_path / "file"
    path.write_bytes(b"zqorv" * 1000)
    with path.open("rb") as kept:
        erase_file(path)
        assert not path.exists()
        assert kept.read() == bytes(5000)
