"""The two ways to bring a tenant or a core up: Pulumi, and an exported Compose project."""
