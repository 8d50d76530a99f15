"""The services of a core: each module says what its own is, as a spec."""
