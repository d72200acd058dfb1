"""FeatureComparison, the kernel side: the widget, what its view asks and is sent, and its page."""
