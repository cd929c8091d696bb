"""Removals of the mechanisms that hold a promise, and the tests that must notice each."""
