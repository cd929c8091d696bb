"""mtail, rsyslog's imfile and pygtail: each as its documentation says, on loopback only."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

from conformance.peer import Peer, Writing, counted
from conformance.site import Case


class Mtail(Peer):
    """Counts by a program; it keeps nothing over a restart, so its lives are summed.

    What a life has counted is what was last scraped of it.
    """

    tool = "mtail"
    PROGRAM = (
        "counter lines by high, low, serial\n"
        r"/2001:db8::(?P<high>[0-9a-f]+):(?P<low>[0-9a-f]+)\tzq\S*rv x* (?P<serial>\d+)\r?$/ {"
        "\n  lines[$high][$low][$serial]++\n}\n"
    )

    def __init__(self, directory: Path, case: Case, setup: str) -> None:
        super().__init__(directory, case, setup)
        (self.directory / "lines.mtail").write_text(self.PROGRAM)
        self._before: Counter[int] = Counter()
        self._now: Counter[int] = Counter()
        self._port = 0

    @staticmethod
    def version() -> str | None:
        """From ``mtail --version``."""
        if not shutil.which("mtail"):
            return None
        run = subprocess.run(["mtail", "--version"], capture_output=True, text=True, check=True)
        return run.stdout.split()[2]

    def command(self) -> list[str]:
        """With the intervals that its documentation shows."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        pattern = {"path": str(self.log), "glob": f"{self.log}*"}[self.setup]
        return [
            "mtail", "--progs", str(self.directory), "--logs", pattern, "--logtostderr",
            "--address", "127.0.0.1", "--port", str(self._port),
            "--poll_interval", "250ms", "--poll_log_interval", "250ms",
        ]  # fmt: skip

    def _ask(self, what: str) -> bytes:
        request = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with request.open(f"http://127.0.0.1:{self._port}/{what}", timeout=2) as answer:
            block: bytes = answer.read()
            return block

    def ready(self) -> bool:
        """It answers, and follows the log if there is one."""
        with contextlib.suppress(OSError):
            follows = int(json.loads(self._ask("debug/vars"))["log_count"])
            return follows > 0 or not self.log.exists()
        return False

    def lines(self) -> Counter[int]:
        """Of the lives before and of a scrape of this one."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._now = self._scrape()
        return self._before + self._now

    def _scrape(self) -> Counter[int]:
        lines: Counter[int] = Counter()
        for metric in json.loads(self._ask("json")):
            for item in metric.get("LabelValues") or ():
                high, low, serial = item["Labels"]
                for line in counted([(high, low, serial)]):
                    lines[line] += item["Value"]["Value"]
        return lines

    def _end(self, number: int) -> None:
        if number != signal.SIGKILL:
            self.lines()
        super()._end(number)
        self._before, self._now = self._before + self._now, Counter()


class Imfile(Writing):
    """rsyslogd with nothing but a file as input and a file as output."""

    tool = "rsyslog imfile"
    SETTINGS = """\
global(workDirectory="{directory}")
main_queue(queue.type="Direct")
module(load="imfile" {mode})
template(name="line" type="string" string="%msg%\\n")
input(type="imfile" File="{pattern}" Tag="search" PersistStateInterval="1"
  persistStateAfterSubmission="on" reopenOnTruncate="on")
action(type="omfile" File="{output}" template="line" asyncWriting="off")
"""

    def __init__(self, directory: Path, case: Case, setup: str) -> None:
        super().__init__(directory, case, setup)
        polling = 'mode="polling" PollingInterval="1"'
        pattern = {"path": str(self.log), "glob": f"{self.log}*"}[setup]
        (self.directory / "rsyslog.conf").write_text(
            self.SETTINGS.format(
                directory=self.directory, pattern=pattern, output=self.output,
                mode=polling if case.wakeup == "polling" else 'mode="inotify"',
            )
        )  # fmt: skip
        self._pid = self.directory / "pid"

    @staticmethod
    def version() -> str | None:
        """From ``rsyslogd -v``."""
        if not shutil.which("rsyslogd"):
            return None
        run = subprocess.run(["rsyslogd", "-v"], capture_output=True, text=True, check=True)
        return run.stdout.split()[1]

    def command(self) -> list[str]:
        """In the foreground, with our settings alone."""
        self._pid.unlink(missing_ok=True)
        return ["rsyslogd", "-n", "-f", str(self.directory / "rsyslog.conf"), "-i", str(self._pid)]

    def ready(self) -> bool:
        """A moment after it has written its process id."""
        if not self._pid.exists():
            return False
        time.sleep(0.3)
        return True


class Pygtail(Writing):
    """A script that asks pygtail for new lines ten times a second."""

    tool = "pygtail"
    SCRIPT = """\
import signal, sys, time
from pygtail import Pygtail
log, offsets, output, ready, full = sys.argv[1:]
ending = []
signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
open(ready, "w").close()
with open(output, "a", encoding="latin-1", newline="") as out:
    while not ending:
        try:
            for line in Pygtail(log, offset_file=offsets, paranoid=True, copytruncate=True,
                                full_lines=full == "full lines", encoding="latin-1"):
                out.write(line if isinstance(line, str) else line.decode("latin-1"))
                out.flush()
                if ending:
                    break
        except Exception as error:
            print(repr(error), file=sys.stderr)
        time.sleep(0.1)
"""

    @staticmethod
    def version() -> str | None:
        """Of the installed package."""
        if not importlib.util.find_spec("pygtail"):
            return None
        return importlib.metadata.version("pygtail")

    def command(self) -> list[str]:
        """The script, with this Python."""
        ready = self.directory / "ready"
        ready.unlink(missing_ok=True)
        paths = (self.log, self.directory / "offsets", self.output, ready, self.setup)
        return [sys.executable, "-c", self.SCRIPT, *map(str, paths)]

    def ready(self) -> bool:
        """It is about to look."""
        return (self.directory / "ready").exists()


PEERS: tuple[type[Peer], ...] = (Mtail, Imfile, Pygtail)
