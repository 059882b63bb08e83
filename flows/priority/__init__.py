"""Which project first: impact x feasibility of candidate projects, by answers and by what is measured."""
