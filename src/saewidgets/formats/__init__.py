"""The neighbours' files: what stands in them, read and written by their definition; nothing here knows an index or a model."""
