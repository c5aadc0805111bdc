"""What is true: island, weather, fires. A year at a time: state in, arrays out; nothing here knows files."""
