"""The lab: long links for benchmarks and tests. They import nothing of zakar but its errors and how files are read."""
