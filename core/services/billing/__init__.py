"""The Billing API: what people may spend, and what they spent."""
