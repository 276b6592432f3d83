"""JSON schemas of strangers: bounded, compiled and checked."""
