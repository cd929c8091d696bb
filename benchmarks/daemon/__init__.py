"""Latency, idle CPU and memory of the running daemon."""
