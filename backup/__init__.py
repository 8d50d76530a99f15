"""Inside a stack's backup container: makes sets, proves them, and brings them back."""
