"""The user's own worker: no adapter of ours, only what it says of itself."""
