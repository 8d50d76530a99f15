"""`cloudfreedom export` and `import`: a stack as a Compose project, and back."""
