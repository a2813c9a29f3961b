"""What we measure, runnable by anyone on Linux: `python -m benchmarks.battles`."""
