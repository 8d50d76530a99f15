"""How the tests' clients connect."""

import httpx

# A connection that is kept can be closed while a request is on its way to it: by httpx, which
# closes what is idle beyond its limits though another thread was just given it, or by a server
# that has waited long enough. Either would fail a test for nothing.
ONE_A_REQUEST = httpx.Limits(max_connections=None, max_keepalive_connections=0)
