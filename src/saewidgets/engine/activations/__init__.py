"""Texts in, sparse activations out: how they are computed, the result that everything else consumes, and rankings of it."""
