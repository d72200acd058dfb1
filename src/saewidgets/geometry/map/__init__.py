"""All features of a dictionary as one picture: their decoder rows laid out in the plane by UMAP, kept with the index."""
