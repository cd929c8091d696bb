"""Hardens the process: no core dumps, files for nobody else, exceptions without content."""

from __future__ import annotations

import ctypes
import os
import resource
import sys

from donkeywatch.runtime.log_redaction import install_exception_hooks

PR_SET_DUMPABLE = 4
PRIVATE_UMASK = 0o077


def harden_process(*, private_files: bool = True) -> None:
    """No core dump, no value in a traceback, and files for the owner only if ``private_files``."""
    if private_files:
        os.umask(PRIVATE_UMASK)
    install_exception_hooks()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
