"""The study's figures, intervals and trends from any database; the daemon imports nothing of it."""
