"""The commands of `cloudfreedom`, one a file."""
