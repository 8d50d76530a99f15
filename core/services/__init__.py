"""What runs inside the core's containers; it imports nothing of the rest but `gateway.money`."""
