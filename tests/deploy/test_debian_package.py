"""The Debian package: built, installed in a bare Debian, used, upgraded, removed and purged.

The Debian is made by debootstrap and entered by chroot, with a mount namespace for each command.
No systemd runs in it. What the package's scripts say to one is heard by a stand-in.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request

import pytest

from donkeywatch import __version__
from donkeywatch.simulation.generator import Simulation
from support.instruments import OPEN, component
from support.simulated_server import START, Simulated, assert_calendar_equals, outcomes, simulated

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "deploy" / "debian"
SCRIPTS = ["preinst", "postinst", "prerm", "postrm"]
SETTINGS = "/etc/donkeywatch/donkeywatch.toml"
LOGS = "/var/log/enode-go"
AS_DONKEYWATCH = ["setpriv", "--reuid=donkeywatch", "--regid=donkeywatch", "--init-groups"]
NEWER = "99.0"
"""Version of the package that an upgrade brings."""
SYSTEMCTL = """#!/bin/sh
echo "$*" >> /systemctl.calls
case "$*" in *is-active*donkeywatch.service) [ -e /daemon-is-active ] ;; *is-active*) false ;; esac
"""
CHANGED_BY_DPKG_OR_ACCOUNTS = re.compile(r"(var/lib/dpkg|var/cache|var/log|run|tmp|etc/[^/]+-$)")


class Debian:
    """A Debian in a directory, and commands in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def command(self, *words: str) -> list[str]:
        """A command in it, with a /proc that goes with the command."""
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]
        return ["unshare", "--mount", f"--root={self.root}", "--mount-proc", *clean, *words]

    def run(self, *words: str, exit_code: int = 0) -> str:
        """What a command prints, which has to end with an exit code."""
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def dpkg(self, *words: str) -> str:
        """What dpkg prints, which need not wait for the disk here."""
        return self.run("dpkg", "--force-unsafe-io", *words)

    def install(self, package: Path) -> str:
        """Install or upgrade a package that is outside."""
        shutil.copy(package, self.root / "package.deb")
        printed = self.dpkg("--install", "/package.deb")
        (self.root / "package.deb").unlink()
        return printed

    def path(self, inside: str) -> Path:
        """Where a file of it is seen from outside."""
        return self.root / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Make a file in it."""
        self.path(inside).parent.mkdir(parents=True, exist_ok=True)
        self.path(inside).write_text(text, "utf-8")
        self.path(inside).chmod(mode)

    def names(self) -> set[str]:
        """Every file and directory but what dpkg and the accounts keep for themselves."""
        names = {str(path.relative_to(self.root)) for path in self.root.rglob("*")}
        return {name for name in names if not CHANGED_BY_DPKG_OR_ACCOUNTS.match(name)}


def release() -> tuple[str, str]:
    """Codename and mirror of this machine's Debian, for whose Python the package is built."""
    words = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text("utf-8").splitlines()
    )
    codename = words.get("VERSION_CODENAME", "")
    lists = [*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for path in sorted(lists):
        text = path.read_text("utf-8")
        if match := re.search(rf"^deb (?:\[.*\] )?(\S+) {codename} ", text, re.MULTILINE):
            return codename, match[1]
        for stanza in text.split("\n\n"):
            mirror = re.search(r"^URIs: *(\S+)", stanza, re.MULTILINE)
            if mirror and re.search(rf"^Suites:.*\b{codename}(\s|$)", stanza, re.MULTILINE):
                return codename, mirror[1]
    raise AssertionError(f"no mirror of {codename} in /etc/apt")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory in memory where there is room: two thirds of the time were the disk's."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30
    with tempfile.TemporaryDirectory(dir=memory if has_room else None) as directory:
        yield Path(directory)


@pytest.fixture
def debian_and_package(place: Path, request: pytest.FixtureRequest) -> tuple[Debian, Path]:
    """A bare Debian and the package, made at the same time: both wait for the network."""
    cache = request.config.cache
    assert cache is not None
    with ThreadPoolExecutor() as pool:
        debian = pool.submit(make_debian, place, cache.mkdir("debian"))
        package = pool.submit(build_package, place)
        return debian.result(), package.result()


def make_debian(place: Path, cache: Path) -> Debian:
    """A bare Debian with Python, unpacked from what an earlier run has left in pytest's cache."""
    if os.getuid():
        if os.environ.get("CI") == "true":
            pytest.fail("only root can make a chroot, and CI must be root")
        pytest.skip("only root can make a chroot")
    debootstrap, tar, _ = (component(name) for name in ("debootstrap", "tar", "zstd"))
    codename, mirror = release()
    root = place / "debian"
    archive = cache / f"{codename}-python3-adduser-acl.tar.zst"
    if archive.exists():
        root.mkdir()
        subprocess.run([tar, "-C", root, "-xf", archive], check=True, timeout=120)
    else:
        subprocess.run(
            [debootstrap, "--variant=minbase", "--include=python3,adduser,acl", codename, root,
             mirror],
            check=True, timeout=600, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        partial = archive.with_suffix(f".{os.getpid()}")
        subprocess.run([tar, "-C", root, "--zstd", "-cf", partial, "."], check=True, timeout=120)
        partial.rename(archive)
    return Debian(root)


def build_package(place: Path) -> Path:
    """The package of this tree, not compressed."""
    component("dpkg-shlibdeps")
    done = subprocess.run(
        [PACKAGING / "build.sh", place], capture_output=True, text=True, timeout=300,
        check=False, env=os.environ | {"DPKG_DEB_COMPRESSOR_TYPE": "none", "TMPDIR": str(place)},
    )  # fmt: skip
    if done.returncode and os.environ.get("CI") != "true":
        for reason in ("No matching distribution found", "ensurepip is not available"):
            if reason in done.stdout + done.stderr:
                pytest.skip(f"the package cannot be built: {reason}")
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = place.glob("donkeywatch_*.deb")
    return result


@pytest.fixture
def server(tmp_path: Path) -> Simulated:
    """A small archive of eNode-go, whose settings are those that the package installs."""
    sim = Simulation(
        seed=29, start=START, hours=24, queries=2_000, addresses=300, format="enode-go"
    )
    return simulated(tmp_path / "server", sim, files=2)


def newer(package: Path) -> Path:
    """The same package with a higher version and without one of its files."""
    tree = package.parent / "newer"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True, timeout=60)
    control = tree / "DEBIAN" / "control"
    control.write_text(
        re.sub(r"^Version: .*", f"Version: {NEWER}", control.read_text("utf-8"), flags=re.MULTILINE)
    )
    (tree / "usr/share/doc/donkeywatch/CHANGELOG.md").unlink()
    result = package.parent / "newer.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(result)]
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return result


def owner(path: Path, debian: Debian) -> str:
    """Name and mode of a file, by the accounts of the Debian."""
    accounts = debian.path("/etc/passwd").read_text("utf-8").splitlines()
    names = {int(line.split(":")[2]): line.split(":")[0] for line in accounts}
    status = path.stat()
    return f"{names.get(status.st_uid, status.st_uid)} {stat.S_IMODE(status.st_mode):04o}"


@contextmanager
def daemon(debian: Debian, log: Path) -> Iterator[str]:
    """`donkeywatch run` as the user of the package, and its URL; ended with SIGTERM, and well."""
    command = debian.command(*AS_DONKEYWATCH, "donkeywatch", "run", "-c", SETTINGS)
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            until = time.monotonic() + 60
            while not (match := re.search(r"listening on (http://\S+)", log.read_text("utf-8"))):
                assert time.monotonic() < until, log.read_text("utf-8")
                assert process.poll() is None, log.read_text("utf-8")
                time.sleep(0.05)
            yield match[1]
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
    assert process.returncode == 0, log.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.untraced
def test_the_package_is_installed_used_upgraded_removed_and_purged(
    debian_and_package: tuple[Debian, Path], server: Simulated, tmp_path: Path
) -> None:
    """Each step leaves what it promises, and nothing else; a purge leaves the operator's own."""
    debian, package = debian_and_package
    before = debian.names()
    refuses_an_installation_by_hand(debian, package)
    is_installed_but_not_started(debian, package)
    counts_an_archive_and_follows_a_log(debian, server, tmp_path)
    runs_again_after_an_upgrade_if_it_ran(debian, newer(package))
    keeps_state_and_settings_when_removed(debian)
    destroys_keys_and_state_when_purged(debian)
    left = {"etc/donkeywatch", "etc/donkeywatch/lexicon.toml"}
    assert debian.names() - before == left


@contextmanager
def systemd(debian: Debian) -> Iterator[list[str]]:
    """A system where systemd seems to run; gives what was asked of it, once that is over."""
    calls: list[str] = []
    running, systemctl = debian.path("/run/systemd/system"), "/usr/bin/systemctl"
    debian.write(systemctl, SYSTEMCTL, 0o755)
    running.mkdir(parents=True)
    yield calls
    shutil.rmtree(running.parent)
    debian.path(systemctl).unlink()
    record = debian.path("/systemctl.calls")
    calls += record.read_text("utf-8").splitlines()
    record.unlink()


def started(calls: list[str]) -> list[str]:
    """The units that were started or restarted, or that the next boot would start."""
    return [call.split()[-1] for call in calls if re.search(r"\b(re)?start|enable", call)]


def refuses_an_installation_by_hand(debian: Debian, package: Path) -> None:
    """An environment that is no package's is not mixed with ours."""
    debian.write("/opt/donkeywatch/pyvenv.cfg", "")
    shutil.copy(package, debian.path("/package.deb"))
    printed = debian.run("dpkg", "--unpack", "/package.deb", exit_code=1)
    assert "installation by hand" in printed
    shutil.rmtree(debian.path("/opt/donkeywatch"))
    debian.path("/package.deb").unlink()


def is_installed_but_not_started(debian: Debian, package: Path) -> None:
    """Program, units, user, state and token are there, and what comes next is said."""
    with systemd(debian) as calls:
        printed = debian.install(package)
    assert "daemon-reload" in calls
    assert not started(calls)
    assert "donkeywatch is installed and not started" in printed
    assert debian.run("donkeywatch", "--version").strip() == __version__
    for unit in ("donkeywatch.service", "donkeywatch-keys.service", "donkeywatch-keys.timer"):
        installed = debian.path(f"/lib/systemd/system/{unit}").read_text("utf-8")
        assert installed == (ROOT / "deploy" / "systemd" / unit).read_text("utf-8")
        assert not list(debian.path("/etc/systemd/system").rglob(unit))
    for name in ("README.md", "CHANGELOG.md", "copyright", "docs/deployment.md"):
        assert debian.path(f"/usr/share/doc/donkeywatch/{name}").exists(), name
    assert debian.path("/usr/share/doc/donkeywatch/examples/donkeywatch.toml").exists()
    assert owner(debian.path("/var/lib/donkeywatch"), debian) == "donkeywatch 0700"
    assert owner(debian.path("/etc/donkeywatch/token"), debian) == "root 0600"
    for path in debian.path("/opt/donkeywatch").rglob("*"):
        assert path.lstat().st_uid == 0, path
    refused = debian.run(*AS_DONKEYWATCH, "donkeywatch", "run", "-c", SETTINGS, exit_code=7)
    assert "not readable" in refused


def counts_an_archive_and_follows_a_log(debian: Debian, server: Simulated, tmp_path: Path) -> None:
    """The steps that the package names lead to a daemon whose counts are exact."""
    countries = "/etc/donkeywatch/countries.mmdb"
    shutil.copy(server.directory / "archive" / "countries.mmdb", debian.path(countries))
    logs = debian.path(LOGS)
    logs.mkdir()
    *finished, live = server.archive
    archive = [f"{LOGS}/enode-go.log.{number}" for number in range(len(finished), 0, -1)]
    for path, name in zip(finished, archive, strict=True):
        shutil.copy(path, debian.path(name))
    shutil.copy(live, logs / "enode-go.log")
    debian.run("chown", "-R", "root:adm", LOGS)
    debian.run("chmod", "-R", "o=", LOGS)
    printed = debian.run(
        "donkeywatch", "init", "--system", "--yes", "--log", f"{LOGS}/enode-go.log",
        "--countries", countries, "--port", "0", "--title", "A server",
    )  # fmt: skip
    inherited = "d:u:donkeywatch:r,d:g::r-x,d:o::---"
    assert f"# setfacl -m u:donkeywatch:rx -m {inherited} {LOGS}\n" in printed
    debian.run("sh", "-c", f"umask 0; mkdir {LOGS}/old; touch {LOGS}/old/new.log {LOGS}/new.log")
    for name in ("new.log", "old/new.log"):
        assert debian.path(f"{LOGS}/{name}").stat().st_mode & 7 == 0, name
    debian.run(*AS_DONKEYWATCH, "cat", f"{LOGS}/new.log")
    assert re.search(r"source main: ok, [0-9,]+ searches", printed)
    assert owner(debian.path(SETTINGS), debian) == "root 0644"
    lexicon = debian.path("/etc/donkeywatch/lexicon.toml")
    assert owner(lexicon, debian) == "donkeywatch 0600"
    lexicon.write_bytes((server.directory / "archive" / "lexicon.toml").read_bytes())
    assert not list(debian.path("/etc/systemd/system").rglob("donkeywatch*"))

    debian.run(*AS_DONKEYWATCH, "donkeywatch", "check", "-c", SETTINGS)
    debian.run(*AS_DONKEYWATCH, "donkeywatch", "backfill", "-c", SETTINGS, *archive)
    state = debian.path("/var/lib/donkeywatch")
    lines = {name: count for name, count in server.truth.as_json()["lines"].items() if count}
    assert 0 < sum(outcomes(state).values()) < sum(lines.values())
    with daemon(debian, tmp_path / "daemon") as url:
        until = time.monotonic() + 60
        while outcomes(state) != lines:
            assert time.monotonic() < until, outcomes(state)
            time.sleep(0.1)
        token = debian.path("/etc/donkeywatch/token").read_text("utf-8").strip()
        asking = Request(f"{url}/api/v1/fractions", headers={"Authorization": f"Bearer {token}"})
        assert OPEN(asking, timeout=10).status == 200
    assert_calendar_equals(state, server.truth)
    assert owner(state / "keys", debian) == "donkeywatch 0700"


def runs_again_after_an_upgrade_if_it_ran(debian: Debian, package: Path) -> None:
    """What runs is stopped before files change and started afterwards; what does not, is not."""
    settings = debian.path(SETTINGS).read_text("utf-8")
    counts = debian.path("/var/lib/donkeywatch/donkeywatch.db").read_bytes()
    token = debian.path("/etc/donkeywatch/token").read_text("utf-8")
    debian.write("/daemon-is-active", "")
    with systemd(debian) as calls:
        printed = debian.install(package)
    assert "not started" not in printed
    assert started(calls) == ["donkeywatch.service"]
    verbs = [next(word for word in call.split() if word[0] != "-") for call in calls]
    order = [verbs.index(verb) for verb in ("is-active", "stop", "daemon-reload", "start")]
    assert order == sorted(order)
    debian.path("/daemon-is-active").unlink()
    assert debian.run("dpkg-query", "-f", "${Version}", "-W", "donkeywatch") == NEWER
    assert not debian.path("/usr/share/doc/donkeywatch/CHANGELOG.md").exists()
    assert debian.path(SETTINGS).read_text("utf-8") == settings
    assert debian.path("/etc/donkeywatch/token").read_text("utf-8") == token
    assert debian.path("/var/lib/donkeywatch/donkeywatch.db").read_bytes() == counts


def keeps_state_and_settings_when_removed(debian: Debian) -> None:
    """The program, its units and what enabled them go; counts, keys, settings and the user stay."""
    keys = '\nkeys = "/srv/keys"\n[[source]]'
    text = debian.path(SETTINGS).read_text("utf-8").replace("\n[[source]]", keys, 1)
    debian.path(SETTINGS).write_text(text, "utf-8")
    for name in ("install.key", "2026-W39.key", ".2026-W38.key.part", "other.file"):
        debian.write(f"/srv/keys/{name}", "key" * 10)
    enabled = debian.path("/etc/systemd/system/multi-user.target.wants/donkeywatch.service")
    enabled.parent.mkdir(parents=True, exist_ok=True)
    enabled.symlink_to("/lib/systemd/system/donkeywatch.service")
    printed = debian.dpkg("--remove", "donkeywatch")
    assert "dpkg --purge donkeywatch" in printed
    for path in ("/opt/donkeywatch", "/usr/bin/donkeywatch", "/usr/share/doc/donkeywatch"):
        assert not debian.path(path).exists(), path
    assert not list(debian.path("/lib/systemd/system/").glob("donkeywatch*"))
    assert not os.path.lexists(enabled)
    assert debian.path(SETTINGS).read_text("utf-8") == text
    assert debian.path("/etc/donkeywatch/token").exists()
    assert debian.path("/var/lib/donkeywatch/donkeywatch.db").exists()
    assert list(debian.path("/var/lib/donkeywatch/keys").glob("*.key"))
    debian.run("getent", "passwd", "donkeywatch")


def destroys_keys_and_state_when_purged(debian: Debian) -> None:
    """Keys are overwritten, wherever the settings had them; state and user go, the lexicon stays.

    The user's number may be given away: what is left, and the log, must not be the next one's to
    read. While a daemon runs nothing is destroyed.
    """
    directory = debian.path("/var/lib/donkeywatch/keys")
    held = {}
    for number, key in enumerate([*directory.glob("*.key"), debian.path("/srv/keys/install.key")]):
        link = debian.path(f"/held-{number}")
        os.link(key, link)
        held[link] = key.read_bytes()
    assert len(held) >= 3
    wait = "print(flush=True); input()"
    running = debian.command(*AS_DONKEYWATCH, "python3", "-c", wait, "donkeywatch", "run")
    with subprocess.Popen(running, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert "end it, and purge again" in debian.run(
            "dpkg", "--purge", "donkeywatch", exit_code=1
        )
        process.communicate(b"\n", timeout=30)
    assert all(link.read_bytes() == content for link, content in held.items())
    debian.dpkg("--purge", "donkeywatch")
    left = debian.run("getfacl", "--recursive", "--absolute-names", "--numeric", LOGS)
    assert not re.search(r"^(default:)?user:[^:]", left, re.MULTILINE)
    assert "default:" not in debian.run("getfacl", "-p", LOGS)
    for link, content in held.items():
        assert link.read_bytes()[: len(content)] != content
        link.unlink()
    for path in ("/var/lib/donkeywatch", SETTINGS, "/etc/donkeywatch/token"):
        assert not debian.path(path).exists(), path
    assert [path.name for path in debian.path("/srv/keys").iterdir()] == ["other.file"]
    shutil.rmtree(debian.path("/srv/keys"))
    for kind in ("passwd", "group"):
        debian.run("getent", kind, "donkeywatch", exit_code=2)
    debian.path("/etc/donkeywatch/countries.mmdb").unlink()
    assert owner(debian.path("/etc/donkeywatch/lexicon.toml"), debian) == "root 0600"


@pytest.mark.parametrize("name", [*SCRIPTS, "build.sh"])
def test_every_script_is_a_shell_script_that_stops_at_errors(name: str) -> None:
    """A plain shell understands it, and it does not go on where something failed."""
    text = (PACKAGING / name).read_text("utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert re.search(r"^set -eu?$", text, re.MULTILINE)
    subprocess.run(["sh", "-n", PACKAGING / name], check=True, timeout=10)


def test_no_index_is_asked_for_donkeywatch() -> None:
    """The wheel is of this tree, and whatever an index is asked for is locked by its hash."""
    text = re.sub(r"\\\n\s*", "", (PACKAGING / "build.sh").read_text("utf-8"))
    commands = [line for line in text.splitlines() if re.search(r" (install|wheel) --quiet", line)]
    assert len(commands) == 4
    for command in commands:
        locked = "--require-hashes" in command and "--only-binary :all:" in command
        assert locked or ("--no-index" in command and "--no-deps" in command), command
