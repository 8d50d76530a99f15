"""What runs inside the LiteLLM container. It imports nothing of the rest of the project."""
