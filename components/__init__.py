"""How a tenant is deployed: its services as specs, and the platforms that render them."""
