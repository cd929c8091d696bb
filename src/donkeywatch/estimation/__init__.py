"""Intervals, the correction of a detector's errors, and shifts of a level."""
