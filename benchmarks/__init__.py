"""Measures the service beside plain servers: `make bench`. docs/benchmarks.md has the figures."""
