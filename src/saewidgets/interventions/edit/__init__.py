"""From a recipe to the stream: which positions, which formula, at which hook; and the same as plain code."""
