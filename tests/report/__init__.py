"""Tests of the study, and what they share."""
