"""The record of imports: for whoever takes photos in, and for whoever asks how far that is."""
