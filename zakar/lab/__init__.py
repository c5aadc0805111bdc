"""The lab: long links for benchmarks and tests. Imports nothing of zakar but its errors."""
