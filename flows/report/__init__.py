"""``loopwright report``: the record as one HTML page for a reader who was not there."""
