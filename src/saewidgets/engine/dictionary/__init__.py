"""Everything that gives features: SAEs, transcoders, raw directions, neurons. The only place that asks which it is."""
