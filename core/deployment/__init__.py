"""How a core is deployed: its containers, secrets and data, on the tenants' components."""
