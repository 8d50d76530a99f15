"""Code inside Open WebUI: logins, settings, names and limits of the tenant's file."""
