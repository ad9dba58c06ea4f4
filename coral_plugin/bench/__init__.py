"""Grids of runs: planned, sent to a scheduler, skipped where they are complete, and turned into tables."""
