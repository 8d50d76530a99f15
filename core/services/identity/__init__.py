"""One login for everything: an OpenID provider in front of PocketBase's people."""
