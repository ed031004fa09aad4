"""Differences with their intervals, as a record has them: clearly above 0, tied, clearly below."""

UP, TIED, DOWN = [0.1, 0.05, 0.15], [0.0, -0.005, 0.005], [-0.1, -0.15, -0.05]
