"""What grows with the strength of an edit, what breaks, and what any push of that size would have done."""
