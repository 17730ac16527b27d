"""The data that benchmarks run on: TPC-H's orders led through their lives, on both sides."""
