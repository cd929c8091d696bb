"""The parts of the soak that `benchmarks/torture.py` puts together."""
