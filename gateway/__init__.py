"""Code inside LiteLLM's container; it stands on `asgi` and `money` alone."""
