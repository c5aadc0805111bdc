"""Pages that fetch nothing: their pictures' canvas, their style, the templates that extend it. Knows no data."""
