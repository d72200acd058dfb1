"""What several widgets show of a feature: what it is said to be, its numbers and examples, and a card of these."""
