"""The migrations, one per file; each names its predecessor.

They have no downgrades: restore a backup for an older version.
"""
