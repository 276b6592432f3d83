"""Helper processes, and frames to and from them."""
