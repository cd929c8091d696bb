"""The Dockerfile: what it says, and its commands outside of a container."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

import pytest

from donkeywatch import __version__
from donkeywatch.errors import ConfigError
from donkeywatch.settings import loader
from donkeywatch.settings.schema import TOKEN_VARIABLE, Http
from donkeywatch.simulation.generator import Simulation
from support.simulated_server import START, Simulated, simulated

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-test"


def instructions() -> list[tuple[str, str]]:
    """Name and value of each instruction, in order, with continued lines joined."""
    lines = [
        line
        for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(name, value.strip()) for name, _, value in (line.partition(" ") for line in joined)]


def values(name: str) -> list[str]:
    """The values of all instructions of a name."""
    return [value for result, value in instructions() if result == name]


def last_stage() -> list[tuple[str, str]]:
    """The instructions of the image that is kept."""
    every = instructions()
    return every[max(i for i, (name, _) in enumerate(every) if name == "FROM") :]


def health_check() -> list[str]:
    """The command of HEALTHCHECK."""
    (value,) = values("HEALTHCHECK")
    command: list[str] = json.loads(value.partition("CMD ")[2])
    return command


def sources() -> list[str]:
    """What is copied from the build context."""
    return [
        source
        for value in values("COPY")
        if not value.startswith("--from=")
        for source in value.split()[:-1]
    ]


def ignored(path: str) -> bool:
    """Does .dockerignore keep a path out? The last line that matches decides."""
    result = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = path.split("/")
        names = parts if "**/" in line else ["/".join(parts[: i + 1]) for i in range(len(parts))]
        if any(fnmatch(name, pattern) for name in names):
            result = not line.startswith("!")
    return result


def test_every_instruction_is_known() -> None:
    """The file parses as a sequence of Docker's instructions, and starts with a base."""
    known = {
        "COPY", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN",
        "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
    }  # fmt: skip
    names = [name for name, _ in instructions()]
    assert set(names) <= known
    assert names[0] == "FROM"


def test_the_image_is_built_in_two_stages_of_one_base() -> None:
    """What builds the wheel stays behind, and what it installed fits the same interpreter."""
    assert values("FROM") == ["python:3.12-slim AS build", "python:3.12-slim"]
    copied = [value for name, value in last_stage() if name == "COPY"]
    assert copied == ["--from=build /opt/donkeywatch /opt/donkeywatch"]


def test_no_command_goes_through_a_shell() -> None:
    """RUN, ENTRYPOINT, CMD and HEALTHCHECK are all lists of arguments."""
    for name in ("RUN", "ENTRYPOINT", "CMD"):
        for value in values(name):
            assert all(isinstance(word, str) for word in json.loads(value)), value
    assert health_check()[0] == "python"


def test_the_container_runs_as_nobody_in_particular() -> None:
    """The user is a number that is not root's, set before anything runs, and never changed back."""
    stage = last_stage()
    users = [value for name, value in stage if name == "USER"]
    assert users == ["10001:10001"]
    names = [name for name, _ in stage]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "RUN" not in names[names.index("USER") :]


def test_the_state_is_a_volume_of_that_user() -> None:
    """The volume is the state directory, made for the user alone before it becomes a volume."""
    (volume,) = json.loads(values("VOLUME")[0])
    (made,) = [json.loads(value) for name, value in last_stage() if name == "RUN"]
    assert made == ["install", "-d", "-o", "10001", "-g", "10001", "-m", "0700", volume]
    assert environment()[loader.STATE_VARIABLE] == volume


def environment() -> dict[str, str]:
    """The variables that the image sets."""
    return dict(word.split("=", 1) for value in values("ENV") for word in shlex.split(value))


def test_no_secret_is_baked_in() -> None:
    """The token comes from outside."""
    assert TOKEN_VARIABLE not in environment()
    assert not values("ARG")


def test_the_port_is_the_default_one() -> None:
    """EXPOSE and HEALTHCHECK name the port of settings that name none."""
    port = Http().port
    assert values("EXPOSE") == [str(port)]
    assert f"'127.0.0.1', {port}," in health_check()[2]


def test_every_source_exists_and_nothing_else_leaves_the_directory() -> None:
    """What is copied is in the build context; keys, logs, lexicons and databases are not."""
    locks = ["deploy/build-requirements.lock", "deploy/requirements.lock"]
    parts = ["src", "deploy", "docs", "grafana"]
    assert sources() == [*locks, "pyproject.toml", "README.md", "LICENSE", *parts]
    for source in sources():
        assert (ROOT / source).exists()
        assert not ignored(source)
    assert not ignored("src/donkeywatch/runtime/engine.py")
    for name in (
        ".git/config", "demo/search.log", "lexicon.toml", "donkeywatch.toml",
        "state/donkeywatch.db", "state/keys/install.key", "tests/support/simulated_server.py",
        "src/donkeywatch/__pycache__/engine.pyc", "deploy/compose/config/lexicon.toml",
        "deploy/compose/data/token",
    ):  # fmt: skip
        assert ignored(name), name


def test_all_addresses_are_served_only_with_a_token(tmp_path: Path) -> None:
    """Inside a container http.host is 0.0.0.0, and without a token that is refused."""
    path = tmp_path / "donkeywatch.toml"
    path.write_text(
        'lexicon = "lexicon.toml"\n[[source]]\npath = "search.log"\nformat = "tsv"\n'
        '[http]\nhost = "0.0.0.0"\n',
        "utf-8",
    )
    with pytest.raises(ConfigError, match="is not loopback and there is no token"):
        loader.load(path, {})
    assert loader.load(path, {TOKEN_VARIABLE: TOKEN}).http.token is not None


def build_commands() -> list[list[str]]:
    """The commands of the stage that is not kept."""
    kept = [value for name, value in last_stage() if name == "RUN"]
    return [json.loads(value) for value in values("RUN") if value not in kept]


def test_the_documented_container_writes_to_its_volume_alone_and_shows_itself_to_this_machine() -> (
    None
):
    """docs/deployment.md runs it read-only, without privileges, on loopback and with our volume."""
    text = (ROOT / "docs" / "deployment.md").read_text("utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^\$ (docker run --detach .*)", text, re.MULTILINE)
    words = shlex.split(line)
    options = dict(itertools.pairwise(words))
    assert "--read-only" in words
    assert "--privileged" not in words
    assert "--user" not in words
    assert (options["--cap-drop"], options["--security-opt"]) == ("ALL", "no-new-privileges")
    assert options["--ulimit"] == "core=0"
    assert options["-p"] == f"127.0.0.1:{Http().port}:{Http().port}"
    assert options["-e"] == TOKEN_VARIABLE
    mounts = [words[i + 1].split(":") for i, word in enumerate(words) if word == "-v"]
    writable = [mount[1] for mount in mounts if mount[2:] != ["ro"]]
    assert writable == json.loads(values("VOLUME")[0])
    directories = {mount[1] for mount in mounts}
    assert str(Path(environment()["DONKEYWATCH_CONFIG"]).parent) in directories


def test_no_index_is_asked_for_donkeywatch() -> None:
    """What an index is asked for is locked by its hash; our own wheel is made of what is copied."""
    commands = [command for command in build_commands() if "pip" in command]
    assert len(commands) == 4
    for command in commands:
        assert {"--require-hashes", "--only-binary"} <= set(command) or (
            {"--no-index", "--no-deps"} <= set(command)
        ), command


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` directory of an environment made by the build's own RUN commands."""
    base = tmp_path_factory.mktemp("image")
    build, home = base / "build", base / "donkeywatch"
    build.mkdir()
    for source in sources():
        if (ROOT / source).is_dir():
            skip = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / source, build / source, ignore=skip)
        else:
            shutil.copy(ROOT / source, build)
    for words in build_commands():
        command = [str(word).replace("/opt/donkeywatch", str(home)) for word in words]
        if command[0] == "python":
            command[0] = sys.executable
        # A cache of pip's own spares the network when tests run again, and compiling takes time.
        command = [word for word in command if word != "--no-cache-dir"]
        command += ["--no-compile"] if "install" in command else []
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            command, cwd=build, env=env, capture_output=True, text=True, timeout=100, check=False
        )
        if done.returncode and "No matching distribution found" in done.stdout + done.stderr:
            if os.environ.get("CI") == "true":
                pytest.fail(f"no package index, and CI must have one:\n{done.stderr}")
            pytest.skip("no package index can be reached")
        assert done.returncode == 0, done.stdout + done.stderr
    return home / "bin"


def test_the_entry_point_of_the_installed_wheel_tells_its_version(installed: Path) -> None:
    """A wheel of what is copied, with its dependencies in a fresh environment, is complete."""
    (program,) = json.loads(values("ENTRYPOINT")[0])
    done = subprocess.run(
        [installed / program, "--version"],
        capture_output=True, text=True, timeout=60, check=False, cwd=installed,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, __version__)


@pytest.fixture
def server(tmp_path: Path) -> Simulated:
    """A small simulated server whose settings are those of a container, but for loopback."""
    sim = Simulation(seed=23, start=START, hours=24, queries=2_000, addresses=300)
    result = simulated(tmp_path / "server", sim, files=1)
    result.archive[0].rename(result.log)
    with result.settings.open("a", encoding="utf-8") as settings:
        settings.write("\n[http]\nport = 0\n")
    return result


def test_the_health_check_tells_a_live_daemon_from_a_dead_one(
    installed: Path, server: Simulated, tmp_path: Path
) -> None:
    """HEALTHCHECK succeeds on a daemon started as the container starts it, and fails afterwards.

    The daemon has a token, which the check does not know.
    """
    state = tmp_path / "volume"
    env = {
        **os.environ, "PATH": f"{installed}:/usr/bin:/bin", TOKEN_VARIABLE: TOKEN,
        "DONKEYWATCH_CONFIG": str(server.settings), loader.STATE_VARIABLE: str(state),
    }  # fmt: skip
    command = json.loads(values("ENTRYPOINT")[0]) + json.loads(values("CMD")[0])
    command[0] = str(installed / command[0])
    log = tmp_path / "out"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env=env, cwd=tmp_path, stdout=out, stderr=out) as daemon,
    ):
        try:
            port = port_of(daemon, log)
            assert checked(installed, port).returncode == 0
        finally:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
    assert daemon.returncode == 0
    assert checked(installed, port).returncode == 1
    assert (state / "donkeywatch.db").exists()


def port_of(daemon: subprocess.Popen[bytes], log: Path) -> str:
    """The port that the daemon took."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if match := re.search(r"listening on http://127\.0\.0\.1:(\d+)", log.read_text("utf-8")):
            return match[1]
        assert daemon.poll() is None, log.read_text("utf-8")
        time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8"))


def checked(installed: Path, port: str) -> subprocess.CompletedProcess[bytes]:
    """The health check on another port, with a proxy set that must not be asked."""
    program, *words = health_check()
    words = [word.replace(str(Http().port), port) for word in words]
    env = {"http_proxy": "http://192.0.2.1:9", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [installed / program, *words], env=env, capture_output=True, timeout=30, check=False
    )
