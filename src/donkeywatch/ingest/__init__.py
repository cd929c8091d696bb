"""From lines to pseudonymised observations: the only place where addresses and words exist."""
