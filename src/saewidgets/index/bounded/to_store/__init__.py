"""From the one state of a bounded scan to the store of an index: what is exact is copied, what is not is estimated with its bounds."""
