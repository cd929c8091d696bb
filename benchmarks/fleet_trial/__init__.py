"""A fleet of real processes on loopback, looked at, tortured and measured."""
