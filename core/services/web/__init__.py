"""Pages for people: what identity and portal have in common, and the app that serves both."""
