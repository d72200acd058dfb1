"""What an open index answers: one feature, its examples, the table of all, and the corpus as text."""
