"""Grids of runs: planned, sent to an engine, skipped where they are complete, and turned into tables."""
