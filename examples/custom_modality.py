"""A modality of your own: its encoder, its augmentation, and a second modality beside it.

python examples/custom_modality.py
"""

import torch
from torch import nn

from coral_plugin import fit


class SpectrumEncoder(nn.Module):
    """Any module will do: this one turns a spectrum (B, 200) into a sequence of tokens (B, 25, 32)."""

    def __init__(self) -> None:
        super().__init__()
        self.bands = nn.Conv1d(1, 32, kernel_size=8, stride=8)

    def forward(self, spectrum: torch.Tensor) -> torch.Tensor:
        return self.bands(spectrum[:, None]).transpose(1, 2).relu()


def shift(spectrum: torch.Tensor, lengths: None, generator: torch.Generator) -> torch.Tensor:
    """Every spectrum of the batch, moved by up to 5 channels."""
    offsets = torch.randint(-5, 6, (len(spectrum), 1), generator=generator, device=spectrum.device)
    channels = torch.arange(spectrum.shape[1], device=spectrum.device)
    return spectrum.gather(1, (channels + offsets) % spectrum.shape[1])


generator = torch.Generator().manual_seed(0)
peak = torch.rand(600, generator=generator)  # what both modalities tell about the sample
channels = torch.linspace(0, 1, 200)
spectrum = torch.exp(-((channels - peak[:, None]) ** 2) / 0.005) + 0.1 * torch.randn(600, 200, generator=generator)
lab_values = torch.stack([peak, peak**2], 1) + 0.1 * torch.randn(600, 2, generator=generator)
labels = (3 * peak).long()
arrays = {f"{split}/{name}": values[rows] for split, rows in (("train", slice(0, 400)), ("test", slice(400, 600)))
          for name, values in (("spectrum", spectrum), ("lab", lab_values), ("labels", labels))}  # fmt: skip

fitted = fit(arrays, encoders={"spectrum": SpectrumEncoder()}, augmentations={"spectrum": shift}, epochs=10)
print("balanced accuracy:", round(fitted.metrics["tasks"]["label"]["mean"], 3))
print("representation of two new samples:", fitted.embed({"spectrum": spectrum[:2], "lab": lab_values[:2]}).shape)
