"""Noise on test samples, from none (level 0) to the most (level 1): by kind of modality, whole batches at a time."""
