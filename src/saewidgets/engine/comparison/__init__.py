"""Texts compared: which tokens stand where which others stand, and the features that differ between them."""
