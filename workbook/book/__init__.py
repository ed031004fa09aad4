"""The machinery of the book: its environment, the learner's edition, the notebooks."""
