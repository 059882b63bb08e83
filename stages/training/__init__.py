"""Training: baselines first, then candidates, their evaluation with intervals, and what ails them."""
