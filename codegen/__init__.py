"""Generators of the project's data files."""
