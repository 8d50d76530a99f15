"""`cloudfreedom adopt`: a deployment of the original Compose template becomes a tenant."""
