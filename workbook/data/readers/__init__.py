"""Readers of files and folders, one for each layout.

Taught in 03 and 20.
"""
