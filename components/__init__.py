"""How a tenant is deployed: one component a part, on one hardened `Service`."""
