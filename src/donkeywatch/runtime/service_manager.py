"""What the daemon tells a service manager such as systemd: ready, alive, reloading, stopping.

The protocol is sd_notify's: datagrams to the socket that `NOTIFY_SOCKET` names. Without one
nothing is sent.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping
from contextlib import suppress

MICROSECONDS = 1_000_000
"""In a second."""
SIGNS_PER_TIMEOUT = 3
"""How often a sign of life is sent within the time after which the manager ends the daemon."""


class ServiceManager:
    """Sends the state of this process to the service manager that started it, if one did."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        timeout = environ.get("WATCHDOG_USEC", "")
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(timeout) / MICROSECONDS if timeout.isdigit() and is_ours else 0
        """Seconds without a sign of life after which the manager ends this process; 0: never."""
        self.sign_seconds = self.watchdog_seconds / SIGNS_PER_TIMEOUT or math.inf
        """Seconds between two signs of life."""
        self._last_sign = 0.0
        self._last_status = ""

    def ready(self, monotonic_seconds: float) -> None:
        """Tell that the start, or a reload, is over."""
        self._last_sign = monotonic_seconds
        self._send("READY=1\nWATCHDOG=1")

    def alive(self, monotonic_seconds: float, status: str) -> None:
        """Give a sign of life when it is time for one, and a line on how the daemon is."""
        parts = []
        if status != self._last_status:
            self._last_status = status
            parts.append(f"STATUS={status}")
        if monotonic_seconds - self._last_sign >= self.sign_seconds:
            self._last_sign = monotonic_seconds
            parts.append("WATCHDOG=1")
        if parts:
            self._send("\n".join(parts))

    def reloading(self, monotonic_seconds: float) -> None:
        """Tell that settings are being read again; `ready` says that it is over."""
        time = int(monotonic_seconds * MICROSECONDS)
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time}")

    def stopping(self) -> None:
        """Tell that the daemon ends."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A socket in the abstract namespace is written with an @ in the place of the zero byte.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with (
            suppress(OSError),  # The manager may be gone; the log is followed all the same.
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.settimeout(1.0)
            out.sendto(message.encode(), address)
