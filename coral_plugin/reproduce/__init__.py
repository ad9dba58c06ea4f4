"""The tables and figures of the papers: their grids, their published numbers, and Trifeature at two scales."""
