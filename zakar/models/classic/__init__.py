"""The island of 2023: no geography, one temperature a day, fires that do not spread."""
