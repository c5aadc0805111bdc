"""Is it believable: datasets held against their manifest and against measured figures."""
