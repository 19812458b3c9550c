"""The catalog's rows at one moment into a dump, and back."""
