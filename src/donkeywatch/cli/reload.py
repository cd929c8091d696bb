"""The verb `reload`: has the daemon read its settings again."""

from __future__ import annotations

import os
import signal

from donkeywatch.cli.application import app, out
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.errors import StateError
from donkeywatch.evaluation import validation_record
from donkeywatch.runtime.pid_file import find_daemon
from donkeywatch.runtime.reference_data import ReferenceData
from donkeywatch.settings import loader


@app.command()
def reload(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Have the daemon take new settings, word list and certificates.

    What it would refuse is refused here, and never reaches it. Its log says what it took, and what
    waits for the next start.
    """
    settings = loader.load(config_path)
    ReferenceData.load(settings)
    validation_record.load(settings.correction.record)
    process = find_daemon(settings.state)
    if process is None:
        raise StateError(
            f"no daemon works on {settings.state}", "start `donkeywatch run`, or see to `state`"
        )
    try:
        os.kill(process, signal.SIGHUP)
    except PermissionError:
        raise StateError(
            f"the daemon (process {process}) is another user's",
            "repeat the command as root, or as that user",
        ) from None
    out.print(
        f"the daemon (process {process}) reads its settings again; its log says what it took",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
