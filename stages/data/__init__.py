"""Data: collect, validate and split; every later stage reads what this one wrote."""
