"""The names of our environment variables; imported by the command line before anything that takes long to import."""

PREFIX = "GRADERS_"
"""What the names of all of them begin with."""
CONFIG_VARIABLE = "GRADERS_CONFIG_FILE"
"""Names a TOML file to read instead of `graders.toml`."""
