"""Whatever a user calls a corpus, as one stream of documents; and whether it is the one that an index is of."""
