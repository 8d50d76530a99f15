"""Somebody else's OpenID provider for the end-to-end tests."""
