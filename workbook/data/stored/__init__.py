"""Texts on disk, read without holding them in memory.

Taught in 20.
"""
