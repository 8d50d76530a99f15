"""The command line: what a platform engineer does with tenants."""
