"""A scenario into a dataset: blocks emitted on an executor, and what is said of them."""
