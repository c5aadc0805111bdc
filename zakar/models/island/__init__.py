"""The island with a geography: weather, fire danger, fires that spread, and observers who err."""
