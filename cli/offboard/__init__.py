"""`cloudfreedom offboard`: the end of a customer."""
