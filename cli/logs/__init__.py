"""`cloudfreedom logs`: the logs of a stack's services, in one form."""
