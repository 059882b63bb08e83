"""Releases: what may be released, rolling back, the model card, and making a release again from its hashes."""
