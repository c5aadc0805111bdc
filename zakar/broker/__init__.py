"""The broker: an embedded server, connections, stations. Nothing here knows datasets."""
