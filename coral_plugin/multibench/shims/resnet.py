"""Residual networks (He et al., "Deep residual learning for image recognition", CVPR 2016, table 1).

Written from the paper; the stride of a bottleneck lies in its 3 x 3 convolution. Attributes and the names of the
weights are those that torchvision users know (``conv1``, ``layer1`` ... ``layer4``, ``avgpool``, ``fc``).
"""

from __future__ import annotations

from torch import Tensor, nn

# blocks of each of the four stages, and whether they are bottlenecks
_STAGES = {18: ((2, 2, 2, 2), False), 50: ((3, 4, 6, 3), True)}


class Block(nn.Module):
    """Two 3 x 3 convolutions, or 1 x 1, 3 x 3, 1 x 1 (a bottleneck), and the input added to what they give.

    Args:
        width: Channels that come in.
        planes: Channels inside; a bottleneck puts out four times as many.
        stride: Stride of the first 3 x 3 convolution.
        bottleneck: Whether the block has a bottleneck.
    """

    def __init__(self, width: int, planes: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        out = planes * 4 if bottleneck else planes
        # kernel, channels, stride
        plan = [(1, planes, 1), (3, planes, stride), (1, out, 1)] if bottleneck else [(3, out, stride), (3, out, 1)]
        self.depth, channels = len(plan), width
        for i, (kernel, wide, step) in enumerate(plan, start=1):
            self.add_module(f"conv{i}", nn.Conv2d(channels, wide, kernel, step, kernel // 2, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(wide))
            channels = wide
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or width != out:
            self.downsample = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, images: Tensor) -> Tensor:
        """(B, width, H, W) to (B, out, H / stride, W / stride)."""
        x = images
        for i in range(1, self.depth + 1):
            x = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x))
            x = self.relu(x) if i < self.depth else x
        short = images if self.downsample is None else self.downsample(images)
        out: Tensor = self.relu(x + short)
        return out


class ResNet(nn.Module):
    """A 7 x 7 convolution, four stages of blocks, the mean over the picture, and one linear layer.

    Args:
        layers: Number of layers with weights: 18 or 50.
        num_classes: Width of the output.

    Shape:
        ``(B, 3, H, W)`` to ``(B, num_classes)``.
    """

    def __init__(self, layers: int, num_classes: int = 1000) -> None:
        super().__init__()
        counts, bottleneck = _STAGES[layers]
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        width = 64
        for i, count in enumerate(counts):
            blocks, planes = [], 64 * 2**i
            for k in range(count):
                blocks.append(Block(width, planes, 2 if i and not k else 1, bottleneck))
                width = planes * 4 if bottleneck else planes
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, (B, 3, H, W) to (B, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)
        scores: Tensor = self.fc(self.avgpool(x).flatten(1))
        return scores
