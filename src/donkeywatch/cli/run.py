"""The verb `run`: starts the daemon."""

from __future__ import annotations

import logging

from donkeywatch.cli.application import app, log_to_stderr
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.settings import loader


@app.command()
def run(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Follow the logs and serve the figures, until SIGTERM or Ctrl-C.

    SIGHUP reloads the settings, and the lexicon with the next hour; a bad file is refused and the
    old one stays.
    """
    # The other verbs start faster without a web server.
    from donkeywatch.runtime.service import Service

    settings = loader.load(config_path)
    log_to_stderr(settings.log_format)
    if notice := loader.exposed_token(config_path):
        logging.getLogger("donkeywatch").warning("%s", notice)
    Service(config_path, settings).run()
