"""Tenants: their model, their files and the checks of these. Imports no pulumi."""
