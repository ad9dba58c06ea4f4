"""Orthogonality penalties against torch's own loss and loops."""

import pytest
import torch
import torch.nn.functional as F

from coral_plugin.errors import InputError
from coral_plugin.losses import cosine_embedding, squared_cosine


def test_cosine_embedding_is_torchs_loss_with_target_minus_one():
    a, b = torch.randn(2, 32, 7, dtype=torch.float64)
    assert torch.allclose(cosine_embedding(a, b), F.cosine_embedding_loss(a, b, -torch.ones(32, dtype=torch.float64)))


def test_squared_cosine_matches_a_loop():
    a, b = torch.randn(2, 9, 5, dtype=torch.float64)
    naive = sum(((u @ v) / (u.norm() * v.norm())) ** 2 for u, v in zip(a, b, strict=True)) / 9
    assert torch.allclose(squared_cosine(a, b), naive)


def test_opposite_rows_cost_only_the_square():
    a = torch.randn(5, 3)
    assert cosine_embedding(a, -a).item() == 0
    assert squared_cosine(a, -a).item() == pytest.approx(1)


@pytest.mark.parametrize("loss", [cosine_embedding, squared_cosine])
def test_wrong_shapes_are_refused(loss):
    with pytest.raises(InputError, match="one shape"):
        loss(torch.zeros(3, 4), torch.zeros(3, 2))
