"""Renders specs as resources of Pulumi on a Docker host."""
