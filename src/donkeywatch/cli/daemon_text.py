"""What the terminal says of the daemon: whether it answers, and how it is."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from donkeywatch.publish.http.status_client import Answer, DaemonAnswer


def describe_daemon(answer: DaemonAnswer, state: str) -> Text:
    """Tell whether this state's daemon runs, how far behind it is, and what it complains about.

    ``state`` is the identifier of the state directory that is asked about.
    """
    health = answer.health
    if health is None:
        return Text(NO_ANSWER[answer.kind])
    if health.state != state:
        return Text(
            "the daemon at the address in the settings works on another state directory:"
            " this one's is not running, or `http.port` is wrong"
        )
    lines = ["the daemon is ready" if health.ready else "the daemon is not ready:"]
    lines += [f"  {reason}" for reason in health.reasons]
    lines += [f"  {s.name}: {s.lag_bytes:,} bytes behind" for s in health.sources if s.following]
    lines += [f"  {s.name}: last error: {s.error}" for s in health.sources if s.error]
    return Text("\n".join(lines))


NO_ANSWER: Mapping[Answer, str] = {
    Answer.NOBODY: "no daemon answers at the address in the settings",
    Answer.REFUSED: "a server answers at the address in the settings, but refuses this token:"
    " give the one that the daemon was started with, in the settings or DONKEYWATCH_TOKEN",
    Answer.OTHER: "something else than donkeywatch answers at the address in the settings",
}
