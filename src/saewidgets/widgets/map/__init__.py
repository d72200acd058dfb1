"""FeatureMap, the kernel side: all features of a dictionary as points, near where their decoder rows are near."""
