"""Figures, side by side in one run: `python -m benchmarks` (all) or `python -m benchmarks client load ...`."""
