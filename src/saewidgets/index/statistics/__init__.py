"""From the activations of a scan to numbers of every feature: one module a statistic, and the one that writes them all."""
