"""The JUMP Cell Painting data set (cpg0016): its tables, its image lists, and the choice of sites to fetch."""
