"""What models have in common: settings, dates, phrase tables."""
