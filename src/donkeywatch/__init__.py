"""Live monitor of an eDonkey server's search log."""

import os

# numpy would start threads for linear algebra, which nothing here does, and they wait actively.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__: str


def __getattr__(name: str) -> str:
    """The version, looked up when it is asked for: that takes as long as loading the rest."""
    if name == "__version__":
        from importlib.metadata import version

        return version("donkeywatch")
    raise AttributeError(name)
