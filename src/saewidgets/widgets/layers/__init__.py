"""LayerLens, the kernel side: one prompt seen at every layer of the model."""
