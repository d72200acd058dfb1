"""AttributionPanel: which features a prediction came from, with the honest check beside it."""
