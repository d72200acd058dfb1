"""Explanations that a language model writes, and how well any explanation predicts where a feature fires."""
