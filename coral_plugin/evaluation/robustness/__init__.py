"""Robustness: how scores of a representation fall when test samples get noise."""
