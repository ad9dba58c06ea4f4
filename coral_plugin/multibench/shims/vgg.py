"""VGG networks (Simonyan and Zisserman, "Very deep convolutional networks", ICLR 2015, table 1).

Written from the paper. Attributes and the names of the weights are those that torchvision users know, so that
MultiBench's code, which takes ``features`` apart and replaces ``classifier``, finds what it expects.
"""

from __future__ import annotations

from torch import Tensor, nn

# columns A, D and E of the table: channels of the 3 x 3 convolutions; "M" halves height and width
_COLUMNS: dict[int, tuple[int | str, ...]] = {
    11: (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    16: (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"),
    19: (64, 64, "M", 128, 128, "M", *(256,) * 4, "M", *(512,) * 4, "M", *(512,) * 4, "M"),
}
_HIDDEN, _GRID = 4096, 7


class VGG(nn.Module):
    """Convolutions, pooling to 7 x 7, and three linear layers.

    Args:
        layers: Number of layers with weights: 11, 16 or 19.
        normalised: Batch normalisation behind each convolution.
        num_classes: Width of the output.

    Shape:
        ``(B, 3, H, W)``, H and W from 32 on, to ``(B, num_classes)``.
    """

    def __init__(self, layers: int, *, normalised: bool, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = _features(_COLUMNS[layers], normalised)
        self.avgpool = nn.AdaptiveAvgPool2d(_GRID)
        self.classifier = nn.Sequential(
            nn.Linear(512 * _GRID * _GRID, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(_HIDDEN, num_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, (B, 3, H, W) to (B, num_classes)."""
        scores: Tensor = self.classifier(self.avgpool(self.features(images)).flatten(1))
        return scores


def _features(column: tuple[int | str, ...], normalised: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = 3
    for step in column:
        if isinstance(step, str):
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(width, step, kernel_size=3, padding=1))
        layers += [nn.BatchNorm2d(step)] if normalised else []
        layers.append(nn.ReLU(inplace=True))
        width = step
    return nn.Sequential(*layers)
