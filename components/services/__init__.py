"""The services of a tenant: each module says what its own is, as a spec."""
