"""What happens to a log, as scripts that any reader can be taken through.

A script is given a site whose reader is at work on an empty log. Lines that no reader could
have read are told by ``site.losable``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, get_args

from conformance.site import Case, Site

Script = Callable[[Site], None]
MATRIX = {
    "writer": ("reopens", "keeps"),
    "wakeup": ("inotify", "polling"),
    "end": ("stop", "kill"),
    "archive": ("plain", "gz"),
}
Dimension = Literal["writer", "wakeup", "end", "archive"]


@dataclass(frozen=True)
class Scripted:
    """A script, its scenario, and the dimensions of the matrix that make a difference to it."""

    id: str
    run: Script
    vary: tuple[Dimension, ...]
    peers: bool
    """Could any reader win it, and does it make sense to ask one?"""

    @property
    def name(self) -> str:
        """Id and what happens."""
        return f"{self.id} {self.run.__name__.replace('_', ' ')}"

    def cases(self) -> Iterator[Case]:
        """Every cell of its matrix; the wakeup always varies."""
        chosen = [MATRIX[name] if name in self.vary else MATRIX[name][:1] for name in MATRIX]
        for values in product(*chosen):
            yield Case(**dict(zip(MATRIX, values, strict=True)))  # type: ignore[arg-type]


SCRIPTS: list[Scripted] = []
EVERYTHING: tuple[Dimension, ...] = get_args(Dimension)


def script(scenario: str, *vary: Dimension, peers: bool = True) -> Callable[[Script], Script]:
    """Enter a script into the list."""

    def enter(run: Script) -> Script:
        SCRIPTS.append(Scripted(scenario, run, ("wakeup", *vary), peers))
        return run

    return enter


# -- rotation ---------------------------------------------------------------------------


@script("R01", "writer", "end", "archive")
def renamed_and_created(site: Site) -> None:
    """A tail is unread when the log is renamed; the writer goes on where it is told to."""
    site.write(50)
    site.look()
    site.write(20)
    old = site.rename()
    site.reopen()
    site.write(30)
    site.look()
    site.archive(old)
    site.restart()
    site.write(10)


def logrotate(site: Site, *directives: str) -> None:
    """Run the real logrotate on the log."""
    packed = ("compress",) if site.case.archive == "gz" else ()
    settings = site.directory.parent / "logrotate.conf"
    body = "\n  ".join(("rotate 9", "missingok", f"su {_user()}", *packed, *directives))
    settings.write_text(f'"{site.path}" {{\n  {body}\n}}\n')
    settings.chmod(0o600)
    site.directory.chmod(0o755)
    state = site.directory.parent / "logrotate.state"
    subprocess.run(["logrotate", "--force", "--state", state, settings], check=True)


def _user() -> str:
    import grp
    import pwd

    return f"{pwd.getpwuid(os.getuid()).pw_name} {grp.getgrgid(os.getgid()).gr_name}"


@script("R01", "writer", "end", "archive")
def logrotate_with_create(site: Site) -> None:
    """The real logrotate, three times, with restarts between."""
    site.write(10)
    for _ in range(3):
        site.write(20)
        site.look()
        logrotate(site, "create 0600")
        site.reopen()
        site.write(15)
        site.restart()


@script("R02", "writer", "end")
def renamed_and_created_a_second_later(site: Site) -> None:
    """For a second there is no log at its path."""
    site.write(50)
    site.look()
    site.write(20)
    site.rename()
    if site.case.writer == "keeps":
        site.write(5)
    site.look()
    time.sleep(1)
    site.reopen()
    site.write(30)
    site.look()
    site.restart()


@script("R03", "wakeup", "end")
def written_to_after_the_rename(site: Site) -> None:
    """The server learns of the rotation late and writes to the old file meanwhile."""
    with site.path.open("ab", buffering=0) as old:
        old.write(site.lines(50))
        site.look()
        site.rename()
        old.write(site.lines(10))
        site.path.touch()
        site.look()
        old.write(site.lines(10))
        site.append(site.lines(10))
        site.look()
        site.restart()
        old.write(site.lines(10))
        site.append(site.lines(10))


@script("R04", "writer", "end")
def moved_to_another_directory(site: Site) -> None:
    """With an unread tail, while the reader holds the file."""
    site.write(50)
    site.look()
    elsewhere = site.directory.parent / "elsewhere"
    elsewhere.mkdir()
    site.rename(elsewhere / "moved")
    with (elsewhere / "moved").open("ab") as moved:
        moved.write(site.lines(20))
    site.reopen()
    site.write(30)
    site.look()
    site.restart()
    site.write(10)


@script("R05", "writer", "end", "archive")
def rotated_several_times_at_once(site: Site) -> None:
    """Three rotations before the next look; .1 becomes .3."""
    site.write(50)
    site.look()
    for _ in range(3):
        site.write(20)
        old = site.rename()
        site.reopen()
    site.write(5)
    site.look()
    site.archive(old)
    site.restart()
    site.write(5)


@script("R05", "archive")
def rotated_and_compressed_several_times_at_once(site: Site) -> None:
    """The same, and each file is compressed before anyone looks."""
    site.write(50)
    site.look()
    for _ in range(3):
        site.write(20)
        site.archive(site.rename())
        site.reopen()
    site.write(5)


@script("R07", "end")
def a_symbolic_link_pointed_elsewhere(site: Site) -> None:
    """The log is a link to a dated file; each day it points to the next."""
    days = [site.path.with_name(f"search-2026-01-0{day}.log") for day in (1, 2, 3)]
    site.path.unlink()
    for day in days:
        day.write_bytes(site.lines(20))
        fresh = site.path.with_name("fresh")
        fresh.symlink_to(day.name)
        fresh.rename(site.path)
        site.look()
        with day.open("ab") as log:
            log.write(site.lines(5))
        site.look()
    site.restart()
    with days[2].open("ab") as log:
        log.write(site.lines(5))


@script("R07", "end")
def a_symbolic_link_removed_and_restored(site: Site) -> None:
    """And left dangling for a while."""
    target = site.path.with_name("real.log")
    site.path.rename(target)
    site.path.symlink_to(target.name)
    with target.open("ab") as log:
        log.write(site.lines(30))
    site.look()
    site.path.unlink()
    site.look()
    with target.open("ab") as log:
        log.write(site.lines(10))
    site.path.symlink_to("nothing")
    site.look()
    site.path.unlink()
    site.path.symlink_to(target.name)
    with target.open("ab") as log:
        log.write(site.lines(10))
    site.look()
    site.restart()


@script("R08", "end")
def compressed_in_place(site: Site) -> None:
    """A counted file becomes a .gz and is not counted again."""
    site.write(50)
    site.look()
    old = site.rename()
    site.reopen()
    site.write(10)
    site.look()
    Site.archive(_packing(site), old)
    site.look()
    site.restart()
    site.write(5)


@script("R08", peers=False)
def compressed_with_an_unread_tail(site: Site) -> None:
    """Stopped; rotated and compressed meanwhile: the tail is read from the archive, once."""
    site.write(50)
    site.look()
    site.end()
    site.write(20)
    Site.archive(_packing(site), site.rename())
    site.reopen()
    site.write(10)
    site.reader.start()
    site.look()
    site.restart()


def _packing(site: Site) -> Site:
    """The same place, with archives compressed."""
    packing = object.__new__(Site)
    packing.__dict__.update(site.__dict__)
    packing.case = Case(site.case.writer, site.case.wakeup, site.case.end, "gz")
    return packing


@script("R09", "writer", "end", "archive")
def rotated_while_stopped(site: Site) -> None:
    """Once, with a tail that was not read."""
    _rotated_while_stopped(site, 1)


@script("R09", "writer", "end", "archive")
def rotated_twice_while_stopped(site: Site) -> None:
    """Twice: one of the rotated files was never seen."""
    _rotated_while_stopped(site, 2)


def _rotated_while_stopped(site: Site, times: int) -> None:
    site.write(50)
    site.look()
    site.end()
    for _ in range(times):
        site.write(20)
        site.archive(site.rename())
        site.reopen()
    site.write(10)
    site.reader.start()
    site.look()
    site.write(5)


@script("R10", "end")
def replaced_by_a_longer_copy(site: Site) -> None:
    """An editor's way: the same content and more, written beside and renamed over."""
    site.write(50)
    site.look()
    fresh = site.path.with_name("fresh")
    shutil.copy(site.path, fresh)
    with fresh.open("ab") as copy:
        copy.write(site.lines(20))
    fresh.rename(site.path)
    site.look()
    site.restart()
    site.write(10)


@script("R10", "end")
def replaced_by_other_content(site: Site) -> None:
    """A new log renamed over the old one."""
    site.write(50)
    site.look()
    fresh = site.path.with_name("fresh")
    fresh.write_bytes(site.lines(60))
    fresh.rename(site.path)
    site.look()
    site.restart()
    site.write(10)


# -- truncation -------------------------------------------------------------------------


@script("T01", "writer", "end", "archive")
def copied_and_truncated_idle(site: Site) -> None:
    """Nothing is written between the copy and the truncation, all was read."""
    site.write(50)
    site.look()
    copy = site.copytruncate()
    site.look()
    site.archive(copy)
    site.write(20)
    site.look()
    site.restart()
    site.write(5)


@script("T01", "writer", "end", "archive")
def logrotate_with_copytruncate(site: Site) -> None:
    """The real logrotate; everything was read before."""
    site.write(10)
    for _ in range(2):
        site.write(20)
        site.look()
        logrotate(site, "copytruncate")
        site.write(15)
        site.look()
        site.restart()


@script("T02", "writer", "end", "archive")
def copied_and_truncated_with_an_unread_tail(site: Site) -> None:
    """What was not read before the truncation stands in the copy."""
    site.write(50)
    site.look()
    site.write(20)
    copy = site.copytruncate()
    site.write(5)
    site.look()
    site.archive(copy)
    site.restart()
    site.write(5)


@script("T03", "end")
def refilled_beyond_the_old_offset(site: Site) -> None:
    """Truncated, and longer than before at the next look; all was read before."""
    site.write(30)
    site.look()
    os.truncate(site.path, 0)
    site.write(60)
    site.look()
    site.restart()
    site.write(5)


@script("T04", "end")
def rewritten_to_the_same_size(site: Site) -> None:
    """The very same number of bytes, other lines."""
    site.write(40)
    site.look()
    size = site.path.stat().st_size
    data = site.lines(38)
    data += site.lines(width=size - len(data) - len(site.line(site.written + 1)))
    assert len(data) == size
    with site.path.open("r+b", buffering=0) as log:
        log.truncate(0)
        log.write(data)
    site.look()
    site.restart()
    site.write(5)


@script("T05", "writer", "end")
def truncated_while_stopped_and_smaller(site: Site) -> None:
    """At the next start the log is shorter than what was counted."""
    _truncated_while_stopped(site, 10)


@script("T05", "writer", "end")
def truncated_while_stopped_and_larger(site: Site) -> None:
    """At the next start it is longer, with other content."""
    _truncated_while_stopped(site, 90)


def _truncated_while_stopped(site: Site, lines: int) -> None:
    site.write(50)
    site.look()
    site.end()
    site.truncate()
    site.write(lines)
    site.reader.start()
    site.look()
    site.write(5)


@script("T06", "end")
def a_hole_of_nul_bytes(site: Site) -> None:
    """A writer without O_APPEND goes on at its old offset after the truncation."""
    with site.path.open("wb", buffering=0) as log:
        log.write(site.lines(50))
        site.look()
        site.truncate()
        log.write(site.lines(20))
        site.look()
        log.write(site.lines(5))
        site.look()
        site.restart()
        log.write(site.lines(5))


# -- identity ---------------------------------------------------------------------------


@script("I01", "end")
def deleted_and_recreated(site: Site) -> None:
    """While running; the file system may give the same inode again."""
    site.write(50)
    site.look()
    site.path.unlink()
    site.path.write_bytes(site.lines(60))
    site.look()
    site.restart()
    site.write(5)


@script("I02", "end")
def deleted_and_recreated_while_stopped(site: Site) -> None:
    """With the very same inode, and longer than before."""
    site.write(50)
    site.look()
    site.end()
    inode = site.path.stat().st_ino
    content = site.lines(60)
    spare = []
    for number in range(200):
        site.path.unlink()
        site.path.write_bytes(content)
        if site.path.stat().st_ino == inode:
            break
        # Another file takes the inode that is not wanted.
        spare.append(site.path.with_name(f"spare{number}"))
        site.path.rename(spare[-1])
        site.path.touch()
    for path in spare:
        path.unlink(missing_ok=True)
    site.path.write_bytes(content)
    site.reader.start()
    site.look()
    site.write(5)


@script("I03", "end", "writer")
def two_files_with_the_same_first_kilobyte(site: Site) -> None:
    """A banner of a kilobyte heads every file; then come other lines."""
    banner = b"#" * 1023 + b"\n"
    site.append(banner)
    site.write(40)
    site.look()
    site.rename()
    site.reopen()
    site.append(banner)
    site.write(50)
    site.look()
    site.restart()
    site.write(5)


@script("I04", "end")
def growing_byte_by_byte(site: Site) -> None:
    """Shorter than any fingerprint for long; a restart in the middle."""
    data = site.lines(3)
    for at in range(len(data)):
        site.append(data[at : at + 1])
        if at == len(data) // 2:
            site.restart()
    site.look()
    site.rename()
    site.reopen()
    site.write(2)
    site.look()


@script("I05", "end")
def a_hard_link_under_a_rotated_name(site: Site) -> None:
    """One file under two names that the reader watches."""
    site.write(50)
    site.look()
    site.rotated().hardlink_to(site.path)
    site.write(20)
    site.look()
    site.restart()
    site.write(5)


# -- parts of lines ---------------------------------------------------------------------


@script("P01", "writer")
def lines_cut_anywhere(site: Site) -> None:
    """Inside a character of two bytes and between CR and LF, with looks between."""
    whole = site.lines(3).replace(b"zqorv", "zqörv".encode()).replace(b"\n", b"\r\n")
    first, second = whole.index(b"\xc3") + 1, whole.index(b"\r") + 1
    for start, end in ((0, first), (first, second), (second, len(whole) - 1), (-1, len(whole))):
        site.append(whole[start:end])
        site.reader.look(whole[:end].count(b"\n"))


@script("P02", "end")
def an_unterminated_last_line_then_rotation(site: Site) -> None:
    """The last line of a rotated file has no line feed; it counts when the file is over."""
    site.write(20)
    site.look()
    site.append(site.lines()[:-1])
    site.rename()
    site.reopen()
    site.write(5)
    site.look()
    site.restart()
    site.write(5)


@script("P03", "writer", "end")
def a_partial_line_across_a_restart(site: Site) -> None:
    """Its end is written after the restart; it counts once."""
    site.write(20)
    site.look()
    line = site.lines()
    site.append(line[:25])
    site.reader.look(site.written - 1)
    site.restart()
    site.append(line[25:])
    site.write(5)
    site.look()


@script("P05", "writer", "end")
def empty_lines_and_empty_files(site: Site) -> None:
    """Empty lines among others, a file of line feeds only, and one that stays empty."""
    site.append(b"\n\n" + site.lines(5) + b"\n" + site.lines(5) + b"\n\n")
    site.look()
    site.rename()
    site.reopen()
    site.append(b"\n" * 50)
    site.rename()
    site.reopen()
    site.rename()
    site.reopen()
    site.write(5)
    site.look()
    site.restart()
    site.write(5)


@script("P06", "end")
def lines_that_are_all_dropped(site: Site) -> None:
    """Other lines by the thousand move the offset on; the next query counts once."""
    site.write(5)
    site.append(b"zqorv: not a query\n" * 5_000)
    site.look()
    site.restart()
    site.write(5)
    site.look()
    site.restart()


# -- the file system --------------------------------------------------------------------


# -- copies -----------------------------------------------------------------------------


@script("XA2", "end")
def a_copy_written_anew_in_place(site: Site) -> None:
    """``cp``, ``scp`` or ``docker logs >`` write all of the log anew, whole, by halves, or late."""
    site.write(40)
    site.look()
    for part in (0.0, 0.5, 0.0):
        whole = site.path.read_bytes() + site.lines(20)
        half = whole.find(b"\n", int(len(whole) * part)) + 1 if part else 0
        with site.path.open("wb", buffering=0) as log:
            log.write(whole[:half])
            site.look_at_a_part()
            log.write(whole[half:])
        site.look()
    site.restart()
    site.write(5)


@script("XA3", "end")
def replaced_by_a_copy_while_the_old_file_keeps_a_name(site: Site) -> None:
    """``sed -i.bak``: a copy is made, the log is renamed, the copy takes its place."""
    site.write(60)
    site.look()
    fresh = site.path.with_name("fresh")
    shutil.copyfile(site.path, fresh)
    site.path.rename(site.path.with_name("search.log.bak"))
    fresh.rename(site.path)
    site.look()
    site.write(10)
    site.look()
    site.restart()
    site.write(10)


@script("XA4", "end")
def kept_short_by_cutting_its_front_off(site: Site) -> None:
    """``tail -n 30`` into a new file that takes the log's name, again and again."""
    site.write(60)
    site.look()
    for _ in range(3):
        kept = site.path.read_bytes().splitlines(keepends=True)[-30:]
        fresh = site.path.with_name("fresh")
        fresh.write_bytes(b"".join(kept) + site.lines(5))
        fresh.rename(site.path)
        site.look()
        site.write(7)
        site.look()
    site.restart()
    site.write(5)


@script("XA5", "end")
def a_merged_copy_under_a_rotated_name(site: Site) -> None:
    """What was counted turns up beside the log again: two files in one, in another order."""
    site.write(30)
    site.look()
    first = site.rename()
    site.reopen()
    site.write(30)
    site.look()
    second = site.rename()
    site.reopen()
    site.write(10)
    site.look()
    merged = second.read_bytes() + site.rotated(2).read_bytes()
    assert first == second
    site.rotated(7).write_bytes(merged)
    site.look()
    site.restart()
    site.write(10)


# -- other programs' files -----------------------------------------------------------------


@script("XC1", "end")
def another_program_writes_a_file_with_a_rotated_name(site: Site) -> None:
    """It was there before the log was followed, and grows: no line of it is one of the log."""
    other = site.path.with_name("search-2.log")
    site.write(20)
    site.look()
    for number in range(5):
        with other.open("ab") as log:
            log.write(site.line(0xF000 + number))
        site.write(5)
        site.look()
    site.restart()
    with other.open("ab") as log:
        log.write(site.line(0xF100))
    site.write(5)


@script("F02", "end")
def a_directory_removed_and_recreated(site: Site) -> None:
    """With the log in it."""
    site.write(30)
    site.look()
    gone = site.directory.with_name("gone")
    site.directory.rename(gone)
    shutil.rmtree(gone)
    site.reader.look(0)
    site.directory.mkdir()
    site.path.write_bytes(site.lines(20))
    site.look()
    site.restart()
    site.write(5)


@script("K02", "writer", "archive")
def killed_and_rotated_again_and_again(site: Site) -> None:
    """Ten times: some lines, a rotation, a kill."""
    for number in range(10):
        site.write(20 + number)
        if number % 3:
            site.look()
        if number % 2:
            old = site.rename()
            site.reopen()
            site.write(3)
            site.look()
            site.archive(old)
        site.reader.kill()
        site.reader.start()


def by_group(*letters: str) -> list[tuple[Scripted, Case]]:
    """Every script of some groups in every cell of its matrix."""
    return [(s, case) for s in SCRIPTS if s.id[0] in letters for case in s.cases()]


def prepare(site: Site) -> Path:
    """What every script begins with: an empty log, and a reader at work."""
    site.path.touch()
    site.reader.start()
    return site.path
