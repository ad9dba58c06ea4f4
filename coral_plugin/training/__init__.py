"""Training of objectives."""
