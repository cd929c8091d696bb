"""Real ClickHouse servers on loopback, each a shard, as Debian packages them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

BINARY = shutil.which("clickhouse-server", path="/usr/sbin:/usr/bin:/usr/local/bin")
START_SECONDS = 60
CLUSTER = "monitors"

CONFIG = """<yandex>
  <logger>
    <level>warning</level><log>{directory}/log</log><errorlog>{directory}/errors</errorlog>
  </logger>
  <tcp_port>{port}</tcp_port><listen_host>127.0.0.1</listen_host>
  <interserver_http_port>{replication}</interserver_http_port>
  <interserver_http_host>127.0.0.1</interserver_http_host>
  <path>{directory}/data/</path><tmp_path>{directory}/tmp/</tmp_path>
  <user_files_path>{directory}/files/</user_files_path>
  <users_config>{directory}/users.xml</users_config>
  <default_profile>default</default_profile><default_database>default</default_database>
  <mark_cache_size>33554432</mark_cache_size>
  <merge_tree><old_parts_lifetime>1</old_parts_lifetime></merge_tree>
  <remote_servers><{cluster}>{shards}</{cluster}></remote_servers>
</yandex>
"""
USERS = """<yandex><profiles><default><max_memory_usage>4000000000</max_memory_usage></default>
</profiles>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></default></users>
<quotas><default></default></quotas></yandex>
"""


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Shard:
    """One server: started, killed and started again on the same data."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory, self.port = directory, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; ends when it listens."""
        assert BINARY is not None
        self._process = subprocess.Popen(
            [BINARY, f"--config-file={self.directory}/config.xml"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
        )
        end = time.monotonic() + START_SECONDS
        while True:
            assert self._process.poll() is None, (self.directory / "errors").read_text()[-2000:]
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert time.monotonic() < end, "it does not listen"
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """SIGKILL."""
        self.stop(signal.SIGKILL)

    def content(self) -> bytes:
        """Every byte of its data directory, but of files that it removes meanwhile."""
        parts = []
        # `os.walk` passes over a directory that is gone when it comes to it; `rglob` ends there.
        for directory, _, names in os.walk(self.directory / "data"):
            for name in sorted(names):
                with contextlib.suppress(FileNotFoundError):
                    parts.append(Path(directory, name).read_bytes())
        return b"".join(parts)


class Cluster:
    """Shards that know each other under the name `CLUSTER`."""

    def __init__(self, directory: Path, shards: int) -> None:
        ports = [free_port() for _ in range(shards)]
        listed = "".join(
            f"<shard><replica><host>127.0.0.1</host><port>{port}</port></replica></shard>"
            for port in ports
        )
        self.shards = []
        for number, port in enumerate(ports):
            here = directory / f"shard{number}"
            for name in ("data", "tmp", "files"):
                (here / name).mkdir(parents=True)
            (here / "users.xml").write_text(USERS)
            (here / "config.xml").write_text(
                CONFIG.format(
                    directory=here,
                    port=port,
                    replication=free_port(),
                    cluster=CLUSTER,
                    shards=listed,
                )
            )
            self.shards.append(Shard(here, port))
        self.url = f"clickhouse://{','.join(f'127.0.0.1:{port}' for port in ports)}/fleet"

    def start(self) -> None:
        """Start them all."""
        for shard in self.shards:
            shard.start()

    def stop(self) -> None:
        """End them all."""
        for shard in self.shards:
            shard.stop()
