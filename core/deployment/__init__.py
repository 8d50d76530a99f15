"""Deployment of a core: its services, secrets and settings, on the tenants' components."""
