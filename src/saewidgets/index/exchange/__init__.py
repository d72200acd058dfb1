"""An index and the neighbours' files: made of them, written as them, and compared with what a model computes."""
