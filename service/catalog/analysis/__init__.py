"""Reports on the catalog, and the search of every garment's neighbours that some of them need."""
