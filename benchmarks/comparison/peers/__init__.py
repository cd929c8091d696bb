"""The tools beside donkeywatch, each a program of its own, written as its users would."""
