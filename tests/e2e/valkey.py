"""The users of a tenant's Redis (Valkey)."""


def password_of(user: str) -> str:
    """A shell command that prints a user's password inside Redis's container."""
    return f"sed -n 's/^user {user} on >\\([0-9a-f]*\\) .*/\\1/p' /run/secrets/users.conf"
