"""`cloudfreedom status`: how the stacks of a project stand."""
