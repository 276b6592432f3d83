"""Settings, and the messages about wrong ones."""
