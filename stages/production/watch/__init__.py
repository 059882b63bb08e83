"""A look at production: what has come since the release, held against what the release was judged on."""
