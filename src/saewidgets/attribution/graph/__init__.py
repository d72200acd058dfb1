"""Attribution graphs: which features, errors and tokens a logit comes from, and by way of which others.

`graph.py` is what users hold: `AttributionGraph`, opened from a file or made of one. Everything else is functions of plain arrays
(`prune.py`, `layout.py`) or of the file (`edits.py`, `lookup.py`); an edit gives another object, so that to undo is to take the
older one. Only `recipe.py` meets an engine. Files are read and written in `formats/attribution_graph.py`.
"""
