"""`cloudfreedom demo` and `clean`: a core and a tenant to try."""
