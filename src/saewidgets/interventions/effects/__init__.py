"""What an edit does to a text that is given: token by token, directly, to other features, and to an answer."""
