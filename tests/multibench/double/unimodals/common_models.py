"""Encoders with MultiBench's names and habits: packed input, squeezed batches, outputs of each layer."""

import itertools

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


class Identity(nn.Module):
    def forward(self, x):
        return x


class Linear(nn.Module):
    def __init__(self, indim, outdim, xavier_init=False):
        super().__init__()
        self.fc = nn.Linear(indim, outdim)

    def forward(self, x):
        return self.fc(x)


class MLP(nn.Module):
    def __init__(self, indim, hiddim, outdim, dropout=False, dropoutp=0.1, output_each_layer=False):
        super().__init__()
        self.fc, self.fc2 = nn.Linear(indim, hiddim), nn.Linear(hiddim, outdim)
        self.output_each_layer = output_each_layer

    def forward(self, x):
        hidden = torch.relu(self.fc(x))
        out = self.fc2(hidden)
        return [0, x, hidden, out] if self.output_each_layer else out


class GRU(nn.Module):
    def __init__(
        self,
        indim,
        hiddim,
        dropout=False,
        dropoutp=0.1,
        flatten=False,
        has_padding=False,
        last_only=False,
        batch_first=True,
    ):
        super().__init__()
        self.gru = nn.GRU(indim, hiddim, batch_first=True)
        self.flatten, self.has_padding, self.last_only = flatten, has_padding, last_only

    def forward(self, x):
        if self.has_padding:
            packed = pack_padded_sequence(x[0], x[1], batch_first=True, enforce_sorted=False)
            return self.gru(packed)[1][-1]
        states, last = self.gru(x)
        if self.last_only:
            return last[0]
        return states.flatten(1) if self.flatten else states


class LeNet(nn.Module):
    """The batch axis of a single image is squeezed away with the others."""

    def __init__(self, in_channels, args_channels, additional_layers):
        super().__init__()
        sizes = [in_channels, *(args_channels * 2**i for i in range(additional_layers + 1))]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in itertools.pairwise(sizes))
        self.bns = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes[1:])

    def forward(self, x):
        for conv, bn in zip(self.convs, self.bns, strict=True):
            x = nn.functional.max_pool2d(torch.relu(bn(conv(x))), 2)
        return x.squeeze()
