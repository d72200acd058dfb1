"""Text on its way into the model: what is given, its tokens and their strings, which of them count, and where it ends."""
