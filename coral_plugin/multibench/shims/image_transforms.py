"""The few of ``torchvision.transforms`` that MultiBench's loaders use, on Pillow images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Compose:
    """Steps one after the other.

    Args:
        transforms: The steps; the list may be extended later.
    """

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, image: Any) -> Any:
        """What the last step gives."""
        for transform in self.transforms:
            image = transform(image)
        return image


class Resize:
    """A Pillow image in another size, bilinear.

    Args:
        size: ``(height, width)``.
    """

    def __init__(self, size: Sequence[int]) -> None:
        self.height, self.width = size

    def __call__(self, image: Any) -> Any:
        """The resized image."""
        from PIL import Image

        return image.resize((self.width, self.height), Image.Resampling.BILINEAR)


class ToTensor:
    """A Pillow image or an array (H, W, C) or (H, W) as (C, H, W); bytes become floats in [0, 1]."""

    def __call__(self, image: Any) -> Tensor:
        """The tensor."""
        array = np.asarray(image)
        array = array[:, :, None] if array.ndim == 2 else array
        tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
        return tensor.float() / 255 if array.dtype == np.uint8 else tensor


class Normalize:
    """Subtract a mean and divide by a standard deviation.

    Args:
        mean: Mean of each channel.
        std: Standard deviation of each channel.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = (torch.tensor(values).reshape(-1, 1, 1) for values in (mean, std))

    def __call__(self, image: Tensor) -> Tensor:
        """(C, H, W) to (C, H, W)."""
        return (image - self.mean) / self.std
