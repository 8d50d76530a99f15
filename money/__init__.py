"""Amounts of money. It runs in the gateway and in the core, and imports nothing."""
