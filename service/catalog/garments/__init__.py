"""Garments as they are read: one at a time, a page at a time, by category; and what an embedding is."""
