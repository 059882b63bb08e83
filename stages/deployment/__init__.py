"""Deployment: tests of the model, what it costs to serve, slices, the pilot on unseen data, the release."""
