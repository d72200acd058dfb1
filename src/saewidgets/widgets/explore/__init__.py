"""explore: the views of one dictionary, linked in one workbench."""
