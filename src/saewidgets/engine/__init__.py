"""READ: text to feature activations. Torch, sae-lens and transformer-lens live from here down."""
