"""The one pass over a corpus: what it will take, what it keeps, and how far it is."""
