"""Groups of features that may draw a shape together."""
