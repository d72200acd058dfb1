"""What stands beside the arrays of an index: whose it is, how it was made, and what each file on disk holds."""
