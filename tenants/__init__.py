"""What a tenant is: its model, its files and their checks. Imports no pulumi."""
