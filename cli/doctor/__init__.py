"""`cloudfreedom doctor`: what is wrong with a tenant or core that is up."""
