"""A dataset as one HTML page: measures of it, figures of them, the page."""
