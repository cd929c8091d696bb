"""Live monitor of an eDonkey server's search log."""

__version__: str


def __getattr__(name: str) -> str:
    """The version, looked up when it is asked for: that takes as long as loading the rest."""
    if name == "__version__":
        from importlib.metadata import version

        return version("donkeywatch")
    raise AttributeError(name)
