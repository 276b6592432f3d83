"""The steps, one a file; each names the one before it. There are none back: a backup is the way to an older version."""
