"""What is claimed about speed and decisions, runnable."""
