"""Pictures that need nothing: one self-contained HTML file, and script-free HTML. Pure functions; imports nothing of ours."""
