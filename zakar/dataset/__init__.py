"""The dataset: tables, files, manifest, card and the JSON that goes over the wire."""
