"""Text as the model writes it, and edited: together, with the same dice."""
