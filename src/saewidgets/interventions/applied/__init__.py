"""A recipe on forwards that are not ours: which text each of them is of, and the edit in it."""
