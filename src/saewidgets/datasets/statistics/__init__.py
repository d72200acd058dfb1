"""The statistics, each over all features at once: proportions, means, correlations, and the correction for many tests."""
