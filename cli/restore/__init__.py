"""`cloudfreedom restore`: a set of a backup in the place of the living data, and back."""
