"""What the user is told when something is wrong: the fact, the remedy and an exit code."""


class DonkeywatchError(Exception):
    """A failure with a remedy; never carries a line, a word or an address."""

    exit_code = 1

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} -> {remedy}")
        self.problem = problem
        self.remedy = remedy


class ConfigError(DonkeywatchError):
    """The settings, the lexicon or the keys cannot be used as they are."""

    exit_code = 2


class StateError(DonkeywatchError):
    """The state directory or its database cannot be used as it is."""

    exit_code = 3


class Unavailable(StateError):
    """The database cannot be used now; a later try may succeed."""


class BusyError(DonkeywatchError):
    """Another process holds the state directory."""

    exit_code = 4


class SourceError(DonkeywatchError):
    """A log or an archive cannot be read as it is."""

    exit_code = 5
