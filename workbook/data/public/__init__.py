"""Public collections by name: what they are, and how they are brought with consent.

Taught in 20.
"""
