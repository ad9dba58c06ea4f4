"""Batch normalisation over processes: alone it is torch's; the rest is in tests/training/test_distributed.py."""

import torch
from torch import nn

from coral_plugin.networks.batchnorm import SynchronisedBatchNorm, synchronise


def test_names_parameters_and_statistics_stay():
    made = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Sequential(nn.BatchNorm2d(2, affine=False)))
    before = dict(made.state_dict())
    parameters = list(made.parameters())
    assert synchronise(made) is made
    assert isinstance(made[1], SynchronisedBatchNorm)
    assert isinstance(made[2][0], SynchronisedBatchNorm)
    assert all(a is b for a, b in zip(parameters, made.parameters(), strict=True))
    assert list(made.state_dict()) == list(before)
    assert synchronise(made)[1] is made[1]


def test_alone_it_is_torchs():
    torch.manual_seed(0)
    x = torch.randn(5, 4, 3, 3)
    plain = nn.BatchNorm2d(4)
    own = SynchronisedBatchNorm.of(nn.BatchNorm2d(4))
    for training in (True, False):
        assert torch.equal(plain.train(training)(x), own.train(training)(x))
    assert torch.equal(plain.running_var, own.running_var)
