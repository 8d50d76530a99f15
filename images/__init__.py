"""Which images run, and how those without a registry are built. Imports no pulumi."""
