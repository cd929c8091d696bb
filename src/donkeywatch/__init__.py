"""Live monitor of an eDonkey server's search log."""

from importlib.metadata import version

__version__ = version("donkeywatch")
