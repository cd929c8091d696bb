"""The speed comparison: donkeywatch beside what a user would reach for instead, on one file."""
