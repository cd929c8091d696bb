"""A week of 15 million addresses: memory, a restart, and closing it."""
