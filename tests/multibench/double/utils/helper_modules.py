"""Two modules in a row."""

from torch import nn


class Sequential2(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.model = nn.Sequential(a, b)

    def forward(self, x):
        return self.model(x)
