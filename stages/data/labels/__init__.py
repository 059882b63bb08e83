"""Labels besides the table's own: annotators, delayed truth, a queue of people, an oracle; and their worth."""
