"""The features of one dictionary against those of another: partners, families."""
