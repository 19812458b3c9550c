"""Garments on their way into the catalog, following their files, and out again."""
