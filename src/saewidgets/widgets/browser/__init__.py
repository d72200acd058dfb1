"""FeatureBrowser, the kernel side: all features of an index as a table."""
