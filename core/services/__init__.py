"""What runs inside the core's containers; of the rest it imports plain modules of `gateway`."""
