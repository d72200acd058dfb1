"""AttributionGraphView, the kernel side: an attribution graph to look at, to prune and to mark."""
