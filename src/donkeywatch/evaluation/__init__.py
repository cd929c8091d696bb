"""A lexicon against labelled queries."""
