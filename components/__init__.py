"""Deployment of a tenant: its services as specs, and the platforms that render them."""
