"""Shift: how the rows of two times differ, what it costs and why. Pure functions on tables, a module a measurement."""
