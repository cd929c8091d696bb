"""The settings file: its keys, their checks, and reading it."""
