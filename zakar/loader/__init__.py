"""The loader: wire objects to frames, frames through a window of unacknowledged messages into stations."""
