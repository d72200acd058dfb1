"""Text on its way into the model: which tokens count."""
