"""Side-by-side timings against peers: one process, one thread, CPU time.

A module here has `run()`, which returns rows: what was measured, ours, the peer's, the ratio
(above 1: ours is faster) and the unit. `python -m workbook bench` runs them all. `end_to_end` has rows
and a table of its own.
"""
