"""`cloudfreedom top`: the use that services make of their host."""
