"""What a few features write on tokens, as points: components, circles, scores."""
