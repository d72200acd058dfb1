"""What to change, as plain data: recipes, and the kinds of intervention there are."""
