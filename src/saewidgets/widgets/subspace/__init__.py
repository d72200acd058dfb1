"""FeatureSubspace, the kernel side: tokens as points in the space that a few features span."""
