"""The supervised contrastive loss against its definition, row by row."""

import math

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.losses import nt_xent
from coral_plugin.losses.supervised import supervised_contrast


def views(count=6, width=5):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, count, width, generator=generator, dtype=torch.float64)


def by_hand(anchors, positives, labels, temperature, neutral):
    rows = [row / math.sqrt(sum(x * x for x in row)) for row in torch.cat([anchors, positives]).numpy()]
    names = labels.tolist() * 2
    count = len(anchors)
    total = 0.0
    for i, row in enumerate(rows):
        partner = (i + count) % (2 * count)
        others = [a for a in range(2 * count) if a != i]
        pulled = [partner] if neutral else [a for a in others if names[a] == names[i]]
        if neutral:
            others = [a for a in others if a == partner or names[a] != names[i]]
        below = sum(math.exp(float(row @ rows[a]) / temperature) for a in others)
        total -= sum(math.log(math.exp(float(row @ rows[p]) / temperature) / below) for p in pulled) / len(pulled)
    return total / (2 * count)


@pytest.mark.parametrize("neutral", [False, True])
@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 0, 1], [3, 1, 4, 1, 5, 9], [7] * 6])
def test_definition(labels, neutral):
    one, two = views()
    found = supervised_contrast(one, two, torch.tensor(labels), temperature=0.3, neutral=neutral)
    assert found.item() == pytest.approx(by_hand(one, two, torch.tensor(labels), 0.3, neutral), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("neutral", [False, True])
def test_with_all_labels_different_it_is_nt_xent(neutral):
    one, two = views()
    found = supervised_contrast(one, two, torch.arange(6), temperature=0.1, neutral=neutral)
    assert torch.allclose(found, nt_xent(one, two, temperature=0.1))


@pytest.mark.parametrize("neutral", [False, True])
def test_gradient_is_finite_where_one_class_is_alone(neutral):
    z = views().requires_grad_()
    supervised_contrast(z[0], z[1], torch.zeros(6), neutral=neutral).backward()
    assert torch.isfinite(z.grad).all()
    # with every other row neutral the positive stands alone below the fraction, and nothing is left to learn
    assert (z.grad == 0).all() == neutral


def test_wrong_labels():
    one, two = views()
    with pytest.raises(InputError, match="a label for each of 6 rows"):
        supervised_contrast(one, two, torch.zeros(5))
