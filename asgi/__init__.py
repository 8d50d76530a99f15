"""ASGI middleware that every server of this project has. It imports nothing of it."""
