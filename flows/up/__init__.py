"""Prefect around a project: a server for a run, and what `loopwright up` keeps running."""
