"""Code inside the core's containers; it stands on `asgi` and `money` alone."""
