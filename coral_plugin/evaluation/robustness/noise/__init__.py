"""Noise on test samples, from none (level 0) to the most (level 1): by kind of modality, whole batches at a time."""

from coral_plugin.evaluation.robustness.noise.families import FAMILIES, Noise, NoiseSource, add_noise, noise_by_modality

__all__ = ["FAMILIES", "Noise", "NoiseSource", "add_noise", "noise_by_modality"]
