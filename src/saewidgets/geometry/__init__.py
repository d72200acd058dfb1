"""The shape of features: planes and circles that a few of them span, families, one dictionary beside another, and maps of all."""
