"""Which features are near one another, and which fire together."""
