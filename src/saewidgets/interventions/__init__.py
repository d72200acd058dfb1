"""What happens when a feature is changed."""
