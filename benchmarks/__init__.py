"""Benchmarks: side by side with other ways to the same result, measured in one run."""
