"""The flywheel: which rows of production are worth a label, and what labels bring. Computed when it is asked for."""
