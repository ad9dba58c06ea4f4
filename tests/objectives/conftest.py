"""Small objectives over vectors, their batches, and the formulas of specification 1.1 and 1.2 with loops."""

import math
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.networks import NetworkSettings

NETWORK = {"width": 8, "heads": 2, "head_hidden": 6, "head_output": 5}


def build(cls, n=2, network=None, **settings):
    """An objective over n modalities of 3 features, each encoded as 5 tokens of width 8; float64."""
    torch.manual_seed(0)
    modalities = tuple(Modality(name=f"m{i}", kind="tabular", shape=(3,)) for i in range(n))
    encoders = {m.name: lambda of, width: nn.Sequential(nn.Linear(3, 40), nn.Unflatten(1, (5, 8))) for m in modalities}
    return cls(modalities, NetworkSettings(**NETWORK | (network or {})), cls.Settings(**settings), encoders).double()


def batch(n=2, size=6, seed=1):
    generator = torch.Generator().manual_seed(seed)
    values = {f"m{i}": torch.randn(size, 3, generator=generator, dtype=torch.float64) for i in range(n)}
    return MultimodalBatch(values)


def with_missing(a_batch):
    """The batch with samples 0 and 2 without m0 and sample 4 without m1."""
    rows = torch.arange(a_batch.size)
    return replace(a_batch, present={"m0": (rows != 0) & (rows != 2), "m1": rows != 4})


def conformance(function, factor, shift, step, columns=3):
    """A_0, A_1, A_2 or B_0, B_1, B_2 of specification 9; with other ``columns`` what their formula goes on with."""
    return [
        torch.tensor(
            [[function(factor * (m + 1) * (i + shift) + step * (j + 1)) for j in range(columns)] for i in range(4)],
            dtype=torch.float64,
        )
        for m in range(3)
    ]


def naive_nt_xent(a, b, temperature=0.1):
    rows = [v / v.norm() for v in (*a, *b)]
    n, total = len(a), 0.0
    for i, row in enumerate(rows):
        below = sum(torch.exp(row @ other / temperature) for j, other in enumerate(rows) if j != i)
        total = total - (row @ rows[(i + n) % (2 * n)] / temperature - torch.log(below))
    return total / (2 * n)


def naive_clip(a, b, scale):
    a, b = [v / v.norm() for v in a], [v / v.norm() for v in b]
    total = 0.0
    for u, v in ((a, b), (b, a)):
        for i, row in enumerate(u):
            below = sum(torch.exp(scale * row @ other) for other in v)
            total = total - (scale * row @ v[i] - torch.log(below))
    return total / (2 * len(a))


def all_present(a_batch, *names):
    mask = torch.ones(a_batch.size, dtype=torch.bool)
    for name in names:
        mask &= a_batch.present.get(name, mask)
    return mask


def pairs(naive, parts, a_batch):
    """Mean of ``naive`` over the pairs of parts, on the samples with both."""
    terms = []
    for a, b in combinations(parts, 2):
        rows = all_present(a_batch, a, b)
        terms.append(naive(parts[a][rows], parts[b][rows]))
    return sum(terms) / len(terms)


def selves(naive, one, two, a_batch):
    """Mean of ``naive`` between two views of each part, on the samples that have it."""
    terms = [naive(one[name][all_present(a_batch, name)], two[name][all_present(a_batch, name)]) for name in one]
    return sum(terms) / len(terms)


@pytest.fixture(scope="session")
def vectors():
    """The helpers of this file."""
    return SimpleNamespace(
        build=build, batch=batch, with_missing=with_missing, nt_xent=naive_nt_xent, clip=naive_clip,
        pairs=pairs, selves=selves, present=all_present,
        a=conformance(math.sin, 0.7, 1, 1.3), b=conformance(math.cos, 0.5, 2, 0.9),
        wide_a=conformance(math.sin, 0.7, 1, 1.3, 4), wide_b=conformance(math.cos, 0.5, 2, 0.9, 4),
    )  # fmt: skip
