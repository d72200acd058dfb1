"""SAE features as columns of a data analysis: documents by features, contrasts of two sets of texts, associations.

`build.py` makes the matrix (`read.py` block by block, `saved.py` on disk), `matrix.py` is what it is; `contrast.py` and
`association.py` say what differs, by the definitions in `statistics/`; `columns.py` is what a table of features is given.
"""
