"""The language model behind one small interface: forwards, hooks, and where a dictionary stands in it."""
