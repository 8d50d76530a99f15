"""What makes the project's data files, and what a bare machine needs first."""
