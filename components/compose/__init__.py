"""Renders specs as a project of Docker Compose."""
