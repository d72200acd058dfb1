"""A corpus, scanned once."""
