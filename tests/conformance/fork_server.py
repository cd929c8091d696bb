"""A process that has imported donkeywatch and forks daemons from itself: real ones, sooner.

Speaks JSON lines: ``{"argv": [...], "errors": path, "files": limit or null}`` answers with the pid
of a daemon, ``{"call": "module:function", "arguments": {...}, "errors": path}`` with that of a
process that makes a call, and ``{"poll": pid}`` with the exit code, or null while it runs.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any


class ForkServer:
    """The parent's side; forked daemons are children of the fork server, not of the caller."""

    def __init__(self) -> None:
        # Not measured: a signal may come while coverage holds its lock, and hang the child.
        bare = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=bare,
        )

    def _ask(self, question: dict[str, Any]) -> int | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: int | None = json.loads(self._process.stdout.readline())
        return answer

    def fork(self, argv: list[str], errors: Path, files: int | None = None) -> int:
        """Start ``donkeywatch argv...`` with its messages appended to a file; the pid.

        ``files`` lowers its limit of open files.
        """
        pid = self._ask({"argv": argv, "errors": str(errors), "files": files})
        assert pid is not None
        return pid

    def call(self, function: str, errors: Path, **arguments: Any) -> int:
        """Call ``module:function`` in a process of its own; the pid."""
        question = {"call": function, "arguments": arguments, "errors": str(errors)}
        pid = self._ask({**question, "files": None})
        assert pid is not None
        return pid

    def poll(self, pid: int) -> int | None:
        """The exit code, as of subprocess; None while it runs."""
        return self._ask({"poll": pid})

    def close(self) -> None:
        """End the fork server; daemons that still run are the caller's."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


def _become(question: dict[str, Any]) -> None:
    """In the child: the daemon, with nothing of the fork server's."""
    descriptor = os.open(question["errors"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, nothing), (1, descriptor), (2, descriptor)):
        os.dup2(source, number)
    os.closerange(3, 64)
    if question["files"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (question["files"],) * 2)
    if "call" in question:
        module, _, function = question["call"].partition(":")
        getattr(importlib.import_module(module), function)(**question["arguments"])
        return
    sys.argv = ["donkeywatch", *question["argv"]]
    from donkeywatch import cli

    cli.main()


def _main() -> None:
    from donkeywatch import cli

    # What makes the fork worth it; and who runs as nobody cannot read what root has installed.
    for name in (
        "donkeywatch.runtime.service", "donkeywatch.store.migrations", "_strptime",
        "encodings.utf_8_sig",
    ):  # fmt: skip
        importlib.import_module(name)
    cli.load_commands([])

    sys.path[0] = str(Path(__file__).parents[1])

    codes: dict[int, int] = {}
    for line in sys.stdin:
        question = json.loads(line)
        if "poll" in question:
            pid = question["poll"]
            if pid not in codes:
                items, status = os.waitpid(pid, os.WNOHANG)
                if items:
                    codes[pid] = os.waitstatus_to_exitcode(status)
            answer = codes.get(pid)
        else:
            if "call" in question:  # Once, not in each of its children.
                importlib.import_module(question["call"].partition(":")[0])
            answer = os.fork()
            codes.pop(answer, None)  # Numbers of processes are given out again.
            if not answer:
                try:
                    _become(question)
                except SystemExit as end:
                    sys.stderr.flush()
                    os._exit(end.code if isinstance(end.code, int) else 1)
                except BaseException:
                    sys.excepthook(*sys.exc_info())
                    os._exit(70)
                os._exit(0)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _main()
