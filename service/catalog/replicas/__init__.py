"""Reads from streaming replicas, and how far behind each may be."""
