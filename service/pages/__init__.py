"""Pages for people: rendered here, read-only, without scripts, and without anything from elsewhere."""
