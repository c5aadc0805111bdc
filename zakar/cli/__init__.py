"""The command line: parses, calls, prints. One short file a group of commands."""
