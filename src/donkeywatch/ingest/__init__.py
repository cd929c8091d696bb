"""The sealed room, the only place where addresses and words exist."""
