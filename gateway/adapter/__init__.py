"""The only modules that know LiteLLM: they hand its calls to the plain ones beside."""
