"""Fusions with MultiBench's names."""

import torch
from torch import nn


class Concat(nn.Module):
    def forward(self, modalities):
        return torch.cat([each.flatten(1) for each in modalities], dim=1)


class ConcatEarly(nn.Module):
    def forward(self, modalities):
        return torch.cat(modalities, dim=2)


class ConcatWithLinear(nn.Module):
    def __init__(self, input_dim, output_dim, concat_dim=1):
        super().__init__()
        self.concat_dim = concat_dim
        self.fc = nn.Linear(input_dim, output_dim)

    def forward(self, modalities):
        return self.fc(torch.cat(modalities, dim=self.concat_dim))
