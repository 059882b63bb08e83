"""Planning: the charter, and whether the plan needs machine learning at all."""
