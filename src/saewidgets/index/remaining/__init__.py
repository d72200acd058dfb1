"""What is computed after an index can be opened: at once for the feature that is looked at, in the background for all."""
