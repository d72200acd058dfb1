"""What features are said to be: own words, explanations that others wrote, descriptions made of the index; and finding them."""
